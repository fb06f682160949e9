"""Answers of Lago that have another shape than Lago's own."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from creditflow.core.errors import ServiceUnavailableError
from creditflow.target.drivers.lago import Lago


@pytest.mark.parametrize(
    ("answer", "ask"),
    [
        ({"event": {"transaction_id": "t"}}, lambda lago: lago.event("t")),
        ({"customer": {}}, lambda lago: lago.customer("c")),
        ({"customers": [{"name": "n"}], "meta": {}}, lambda lago: lago.customers()),
        ({"customers": [1], "meta": {}}, lambda lago: lago.customers()),
        ({"invoices": {}}, lambda lago: lago.invoices("c")),
        ([], lambda lago: lago.subscription("s")),
    ],
)
def test_an_answer_without_what_is_needed_is_told_as_unreadable(answer: Any, ask: Callable[[Lago], object]) -> None:
    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_: object) -> None:
            """Write nothing down."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        lago = Lago(f"http://127.0.0.1:{server.server_port}", "key", 5)
        with pytest.raises(ServiceUnavailableError, match=r"an answer that can't be read \(GET /api/v1/"):
            ask(lago)
        lago.http.close()
        server.shutdown()
