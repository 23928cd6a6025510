"""Requests from other addresses of this machine, whose connections stay open."""

import socket


def request(port, address, path):
    """Ask for a path, and return the connection, from which nothing is read."""
    connection = socket.create_connection(("127.0.0.1", port), 30, (address, 0))
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    return connection


def open_stream(port, address, path):
    """Ask for a stream of events."""
    return request(port, address, f"/gradio_api/{path}")


def status(connection):
    """Return the status of an answer."""
    connection.settimeout(30)
    return int(connection.recv(12).split()[1])
