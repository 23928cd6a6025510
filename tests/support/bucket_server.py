"""Serve S3 on 127.0.0.1 by moto, with injected faults; every test gets a bucket."""

import logging
import socket
import threading
import time
from contextlib import contextmanager
from urllib.request import Request, urlopen

KEY, SECRET = "AKIAEXAMPLEKEY000001", "a-secret-that-nobody-may-print"
SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>"


class BucketServer:
    """The server. `faults` are taken by the next requests to objects, one each.

    A fault is a status such as 503; "dropped", which closes the connection before the request is handled; "lost", which
    closes it afterwards; "slow", which answers after `patience` seconds; or None, which does nothing.
    """

    def __init__(self):
        self.faults, self.requests, self.patience = [], [], 1.0
        self.lock = threading.Lock()
        from moto.server import DomainDispatcherApplication, create_backend_app

        self.application = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ, start_response):
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        with self.lock:
            self.requests.append((method, path))
            fault = self.faults.pop(0) if self.faults and path.count("/") > 0 else None
        if isinstance(fault, int):
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            body = b"" if method == "HEAD" else SLOW_DOWN
            headers = [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))]
            start_response(f"{fault} Fault", headers)
            return [body]
        if fault == "slow":
            time.sleep(self.patience)
        if fault == "dropped":
            return drop(environ)
        answer = self.application(environ, start_response)
        if fault == "lost":
            list(answer)
            return drop(environ)
        return answer

    @contextmanager
    def checking_keys(self):
        """Context manager: check keys as S3 does; none is known."""
        self.set_free_requests("0")
        try:
            yield
        finally:
            self.set_free_requests("inf")

    def set_free_requests(self, count):
        """Set how many requests are answered before keys are checked."""
        headers = {"Content-Type": "text/plain"}
        urlopen(Request(f"{self.url}/moto-api/reset-auth", count.encode(), headers)).close()


def drop(environ):
    """Close the connection without an answer."""
    environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    raise ConnectionError


@contextmanager
def bucket_server():
    """Context manager: run the server."""
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    application = BucketServer()
    server = make_server("127.0.0.1", 0, application, threaded=True)
    server.daemon_threads = True
    application.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield application
    finally:
        server.shutdown()
