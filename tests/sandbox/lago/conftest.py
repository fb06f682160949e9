"""Fixtures for the tests of the Lago stand-in."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import psycopg
import pytest
import requests
from lago_python_client.client import Client
from psycopg.rows import DictRow, dict_row
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

ROOT = Path(__file__).parents[3]
DEADLINE_SECONDS = 60.0

T = TypeVar("T")
Database = psycopg.Connection[DictRow]


@dataclass
class Api:
    """Lago's API over plain HTTP."""

    url: str
    key: str | None
    session: requests.Session = field(default_factory=requests.Session)

    def __call__(self, method: str, path: str, body: object = None, **options: Any) -> requests.Response:
        headers = {} if self.key is None else {"Authorization": f"Bearer {self.key}"}
        return self.session.request(
            method, f"{self.url}{path}", json=body, timeout=60, **({"headers": headers} | options)
        )

    def ok(self, method: str, path: str, body: object = None, **options: Any) -> Any:
        """Send a request that must succeed, and return its JSON."""
        answer = self(method, path, body, **options)
        assert answer.status_code == 200, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def subscribe(self, customer: str, plan: str, external_id: str | None = None) -> dict[str, Any]:
        """Subscribe a customer, by default under their own id, and return the subscription."""
        wanted = {
            "external_customer_id": customer,
            "plan_code": plan,
            "external_id": external_id or customer,
        }
        subscription: dict[str, Any] = self.ok("POST", "/api/v1/subscriptions", {"subscription": wanted})[
            "subscription"
        ]
        return subscription

    def invoices(self, customer: str) -> list[dict[str, Any]]:
        """Return a customer's invoices, newest first."""
        found: list[dict[str, Any]] = self.ok("GET", "/api/v1/invoices", params={"external_customer_id": customer})[
            "invoices"
        ]
        return found

    def without_key(self) -> Api:
        """Return the same API without a key."""
        return Api(self.url, None)

    def another(self) -> Api:
        """Return the same API with its own connection, for a thread."""
        return Api(self.url, self.key)

    @staticmethod
    def error_of(answer: requests.Response) -> tuple[int, str | None, Any]:
        """Return the status, code and field errors of an answer; its body must repeat the status."""
        body = answer.json()
        assert body.get("status") == answer.status_code
        return answer.status_code, body.get("code"), body.get("error_details")

    @staticmethod
    def eventually(check: Callable[[], T]) -> T:
        """Return the result of a check, repeated until its assertions hold or the deadline has passed."""
        retrying = Retrying(
            stop=stop_after_delay(DEADLINE_SECONDS),
            wait=wait_fixed(0.05),
            retry=retry_if_exception_type((AssertionError, requests.ConnectionError)),
            reraise=True,
        )
        return retrying(check)


@pytest.fixture(scope="module")
def api(deployment: dict[str, str]) -> Api:
    return Api(deployment["LAGO_API_URL"], deployment["LAGO_API_KEY"])


@pytest.fixture(scope="module")
def client(deployment: dict[str, str]) -> Any:
    return Client(api_key=deployment["LAGO_API_KEY"], api_url=deployment["LAGO_API_URL"])


@pytest.fixture
def new_id() -> str:
    return str(uuid.uuid4())


@pytest.fixture
def customer(api: Api) -> Iterator[str]:
    """Create a customer, return the `external_id`, and remove them after the test."""
    external_id = str(uuid.uuid4())
    api.ok("POST", "/api/v1/customers", {"customer": {"external_id": external_id, "currency": "USD"}})
    yield external_id
    api("DELETE", f"/api/v1/customers/{external_id}")


@pytest.fixture(scope="module")
def database(deployment: dict[str, str]) -> Iterator[Database]:
    """Connect to the database `lago` with the role that can't write."""
    with psycopg.connect(deployment["LAGO_DB_READ_URL"], autocommit=True, row_factory=dict_row) as connection:
        yield connection


@dataclass
class OwnLago:
    """A stand-in on its own schema, which a test may kill."""

    database_url: str
    port: int
    api: Api
    process: subprocess.Popen[bytes] | None = None

    def start(self, job_delay_ms: int) -> None:
        """Start the process and wait until it is healthy."""
        assert self.api.key is not None
        environment = os.environ | {
            "LAGO_DATABASE_URL": self.database_url,
            "LAGO_API_KEY": self.api.key,
            "LAGO_JOB_DELAY_MS": str(job_delay_ms),
        }
        command = [sys.executable, "-m", "sandbox.lago", "--port", str(self.port)]
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment)
        self.api.eventually(lambda: self.api.ok("GET", "/health"))

    def kill(self) -> None:
        """Kill the process."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(timeout=60)


@pytest.fixture
def own_lago(deployment: dict[str, str]) -> Iterator[OwnLago]:
    schema = f"lago_test_{uuid.uuid4().hex}"
    owner_url = urlsplit(deployment["UNICORN_DB_URL"])._replace(path="/lago").geturl()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute(f'create schema "{schema}"')
        own = OwnLago(
            f"{owner_url}?options=-csearch_path%3D{schema}",
            port,
            Api(f"http://127.0.0.1:{port}", str(uuid.uuid4())),
        )
        try:
            yield own
        finally:
            own.kill()
            connection.execute(f'drop schema "{schema}" cascade')
