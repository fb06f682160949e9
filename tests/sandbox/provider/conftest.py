"""The provider stand-in as in the sandbox: a process of its own, used over HTTP."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

ROOT = Path(__file__).parents[3]
START_SECONDS = 60
SECONDS = 60


class StandIn:
    """A running stand-in, its keys and its addresses."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "log"
        self.platform_key = f"sk-or-{secrets.token_hex(16)}"
        self.openai_key = f"sk-{secrets.token_hex(16)}"
        self.token = secrets.token_hex(16)
        self.url = ""
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "sandbox.provider", "--port", str(port)],
                cwd=ROOT,
                env=self.environment(),
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            assert self._process.poll() is None, f"the stand-in ended: {self.log.read_text()}"
            try:
                if requests.get(f"{self.url}/health", timeout=1).ok:
                    return
            except requests.ConnectionError:
                time.sleep(0.05)
        pytest.fail(f"the stand-in was not healthy within {START_SECONDS} s: {self.log.read_text()}")

    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "PROVIDER_OPENROUTER_KEY": self.platform_key,
            "PROVIDER_OPENAI_KEY": self.openai_key,
            "PROVIDER_CONTROL_TOKEN": self.token,
        }

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait(SECONDS)

    def ask(
        self,
        words: str,
        *,
        key: str | None = None,
        provider: str = "openrouter",
        session: requests.Session | None = None,
        timeout: float = SECONDS,
        **body: Any,
    ) -> requests.Response:
        """Request a completion for a message of these words, by default with the platform's key."""
        paths = {"openrouter": "/openrouter/api/v1", "openai": "/openai/v1"}
        keys = {"openrouter": self.platform_key, "openai": self.openai_key}
        model = {"openrouter": "openai/gpt-3.5-turbo", "openai": "gpt-3.5-turbo"}[provider]
        content = {"model": model, "messages": [{"role": "user", "content": words}]} | body
        return (session or requests).post(
            f"{self.url}{paths[provider]}/chat/completions",
            json=content,
            headers={"Authorization": f"Bearer {key or keys[provider]}"},
            stream=content.get("stream") is True,
            timeout=timeout,
        )

    def control(self, method: str, path: str, body: object = None, **query: str | list[str]) -> requests.Response:
        return requests.request(
            method,
            f"{self.url}/control/{path}",
            json=body,
            params=query,
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=SECONDS,
        )

    def calls(self, **query: str | list[str]) -> list[dict[str, Any]]:
        answer = self.control("GET", "calls", **query)
        answer.raise_for_status()
        page = answer.json()
        assert page["total"] == len(page["calls"]), "the total is the number of calls"
        calls: list[dict[str, Any]] = page["calls"]
        return calls

    def trouble(self, caller: str, kind: str, **more: float) -> None:
        self.control("PUT", f"troubles/{caller}", {"kind": kind, **more}).raise_for_status()

    def open_key(self, *, provider: str = "openrouter", state: str = "good") -> str:
        key = f"sk-own-{secrets.token_hex(16)}"
        body = {"provider": provider, "key": key, "state": state}
        self.control("PUT", f"keys/{self.mark(key)}", body).raise_for_status()
        return key

    @staticmethod
    def mark(key: str) -> str:
        return hashlib.sha256(key.encode()).hexdigest()[:16]

    @staticmethod
    def events(answer: requests.Response) -> list[Any]:
        """Return the data events of a stream, ``[DONE]`` included."""
        lines = [line.removeprefix("data: ") for line in answer.text.split("\n") if line.startswith("data: ")]
        return [line if line == "[DONE]" else json.loads(line) for line in lines]

    @staticmethod
    def eventually(look: Callable[[], Any], expected: object) -> None:
        """Wait for a condition, and report the last value if it never comes true."""
        deadline = time.monotonic() + SECONDS
        while (seen := look()) != expected:
            assert time.monotonic() < deadline, f"expected {expected!r} within {SECONDS} s, last seen {seen!r}"
            time.sleep(0.02)


@pytest.fixture(scope="session")
def standin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    """Start the stand-in that all tests share; each test is its own caller."""
    one = StandIn(tmp_path_factory.mktemp("provider"))
    try:
        one.start()
        yield one
    finally:
        one.kill()


@pytest.fixture
def caller() -> str:
    """Return a caller that no other test uses."""
    return f"caller-{secrets.token_hex(6)}"
