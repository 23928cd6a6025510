"""A tunnel that ends TLS on 127.0.0.1, as the proxy of a Space does, with a certificate that is made for a test."""

import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta


def write_certificate(folder, host):
    """Write a self-signed certificate and its key to a file, and return its path."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=2))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
    certificate = builder.sign(key, hashes.SHA256())
    path = folder / "certificate.pem"
    encoding, format = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    private = key.private_bytes(encoding, format, serialization.NoEncryption())
    path.write_bytes(private + certificate.public_bytes(encoding))
    return path


@contextmanager
def tls_tunnel(folder, host, port):
    """Context manager: accept TLS for a host name on a free port, which is yielded, and connect it to another port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(write_certificate(folder, host))
    listening = socket.create_server(("127.0.0.1", 0))

    def accept():
        while True:
            try:
                plain, _ = listening.accept()
            except OSError:  # closed
                return
            threading.Thread(target=connect, args=(plain,), daemon=True).start()

    def connect(plain):
        with suppress(OSError):
            outer = context.wrap_socket(plain, server_side=True)
            inner = socket.create_connection(("127.0.0.1", port))
            threading.Thread(target=copy, args=(outer, inner), daemon=True).start()
            copy(inner, outer)

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.close()


def copy(source, target):
    """Copy what a socket receives to another, until either is closed."""
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()
