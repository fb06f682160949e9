"""Services that answer with everything that they receive, including secrets, like a debug page."""

from __future__ import annotations

import base64
import html
import json
import socketserver
import struct
import textwrap
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote

REFUSED = 1
"""A port of 127.0.0.1 on which nothing listens."""


def _repeated(text: str) -> str:
    """Return a text in several spellings."""
    encoded = base64.b64encode(text.encode()).decode()
    return json.dumps(
        {
            "error": "server_error",
            "error_description": f"can't read {text}",
            "html": html.escape(text),
            "url": quote(text),
            "base64": encoded,
            "wrapped": "\n    ".join(textwrap.wrap(encoded, 60)),
        }
    )


class _Http(BaseHTTPRequestHandler):
    """Answers with the status in the path: `/401`, `/500`, `/200`; `/good` signs people in."""

    token = ""
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        way = self.path.split("/")[1]
        heard = f"{self.command} {self.path}\n{self.headers}\n{body}\n{parse_qs(body)}"
        answer = _repeated(heard)
        if way == "good" and self.path.endswith("/token"):
            answer = json.dumps({"access_token": self.token, "refresh_token": self.token, "expires_in": 300})
        self.send_response(int(way) if way.isdecimal() else 200)
        self.send_header("Content-Type", "application/json" if way != "200" else "text/plain")
        self.send_header("X-Heard", quote(heard))
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer.encode())

    do_POST = do_PUT = do_DELETE = do_PATCH = do_GET  # noqa: N815 - the library's names

    def log_message(self, format: str, *args: object) -> None:
        pass


class _Redis(socketserver.BaseRequestHandler):
    """Answers every command with an error that repeats it."""

    def handle(self) -> None:
        while heard := self.request.recv(65536):
            command = heard.decode().replace("\r\n", " ")
            self.request.sendall(f"-ERR can't do {command}\r\n".encode() * heard.count(b"*"))


class _PostgreSql(socketserver.BaseRequestHandler):
    """Asks for the password in plain text, and refuses it with an error that repeats it."""

    def handle(self) -> None:
        start = self._message(with_type=False)
        while start[:4] in (struct.pack("!I", 80877103), struct.pack("!I", 80877104)):
            self.request.sendall(b"N")
            start = self._message(with_type=False)
        self.request.sendall(b"R" + struct.pack("!II", 8, 3))
        password = self._message(with_type=True).rstrip(b"\0").decode()
        fields = f"SFATAL\0C28P01\0Mpassword {password} refused, postgresql://u:{password}@h/d\0\0"
        self.request.sendall(b"E" + struct.pack("!I", 4 + len(fields.encode())) + fields.encode())

    def _message(self, with_type: bool) -> bytes:
        if with_type:
            self._read(1)
        return self._read(struct.unpack("!I", self._read(4))[0] - 4)

    def _read(self, length: int) -> bytes:
        data = b""
        while len(data) < length and (more := self.request.recv(length - len(data))):
            data += more
        return data


class _Garbage(socketserver.BaseRequestHandler):
    """Repeats everything that it receives."""

    def handle(self) -> None:
        while heard := self.request.recv(65536):
            self.request.sendall(heard)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


@contextmanager
def echoes(token: str) -> Iterator[dict[str, int]]:
    """Start the services `http`, `redis`, `postgresql` and `garbage`, and yield their ports; `http` signs people in."""
    http = type("_SigningIn", (_Http,), {"token": token})
    address = ("127.0.0.1", 0)
    servers: dict[str, socketserver.TCPServer] = {
        "http": ThreadingHTTPServer(address, http),
        "redis": _Server(address, _Redis),
        "postgresql": _Server(address, _PostgreSql),
        "garbage": _Server(address, _Garbage),
    }
    with ExitStack() as finalizers:
        for server in servers.values():
            finalizers.callback(server.server_close)
            finalizers.callback(server.shutdown)
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield {name: server.server_address[1] for name, server in servers.items()}
