"""Locust as a process of the suite: it sends what the plan says, ends with its parent, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest
from pydantic import SecretStr

from creditflow.actors.cast import Cast
from creditflow.actors.load import crowd, generator
from creditflow.actors.load.crowd import Group
from creditflow.actors.load.generator import LoadFailedError, Workers
from creditflow.actors.load.plan import LITELLM, OPS_CENTER, Plan, Stage, User, stages
from creditflow.actors.people import Person
from creditflow.audit import reconciliation
from creditflow.audit.parties import Parties, history_of
from creditflow.checks import load
from creditflow.checks.refusals import Refusal
from creditflow.core.errors import NotTestableError
from creditflow.target.ceiling import CeilingReachedError
from creditflow.target.settings import PROJECT, Settings
from creditflow.target.target import Target

ANSWER = {"choices": [{"message": {"content": "yes"}}], "usage": {"total_tokens": 100}}
EVENT = ANSWER | {"choices": [{"delta": {"content": "yes"}}]}
MOMENTS = (Stage(2, OPS_CENTER, 0, 1), Stage(4, OPS_CENTER, 1, 2), Stage(4, LITELLM, 2, 3))


class Platform(BaseHTTPRequestHandler):
    """Ops-Center and LiteLLM at one address, which answer at once and refuse one user."""

    protocol_version = "HTTP/1.1"
    got: list[tuple[str, str, dict[str, Any]]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.got.append((self.path, self.headers["Authorization"], body))
        refused = self.headers["Authorization"] == "Bearer token of cf-nobody-1"
        text = json.dumps({"status": 402, "code": "insufficient_credits"} if refused else ANSWER)
        if body.get("stream"):
            text = f"data: {json.dumps(EVENT)}\n\ndata: [DONE]\n\n"
        self.send_response(402 if refused else 200)
        self.send_header("Content-Type", "text/event-stream" if body.get("stream") else "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.send_header("X-Request-Id", f"r{len(self.got)}")
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served() -> Iterator[tuple[str, list[tuple[str, str, dict[str, Any]]]]]:
    handler = type("Handler", (Platform,), {"got": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", handler.got  # type: ignore[attr-defined]
        server.shutdown()


def target_at(url: str, **more: Any) -> Target:
    return Target(
        Settings(
            _env_file=None, ops_center_url=url, litellm_url=url, litellm_master_key=SecretStr("sk-of-litellm"),
            **({"allow_load": "127.0.0.1", "provider_url": url} | more),
        )  # type: ignore[call-arg]
    )  # fmt: skip


def plan(*moments: Stage, count: int = 4) -> Plan:
    users = []
    for number in range(1, count + 1):
        name = f"cf-nobody-{number}"
        signed_in = {"access_token": f"token of {name}", "expires_in": 300}
        person = Person(f"the {number}", name, "", "", name, "", lambda signed_in=signed_in: signed_in)  # type: ignore[misc]
        users.append(User(person, stream=number == 2, own_key=number == 3))
    return Plan(tuple(users), "GPT-3.5-turbo", 100, 0.3, moments or MOMENTS)


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder in which private folders are made."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("workers", [1, 2])
def test_every_request_is_sent_as_its_person_and_recorded_with_its_answer(workers: int, folders: Path) -> None:
    with served() as (url, got):
        target = target_at(url)
        done = generator.run(target, plan(), lambda: 1.0, Workers(workers))

    assert list(folders.iterdir()) == []
    assert "Locust" in done.page
    assert set(done.probe) == {1.0}
    assert len(done.sent) == len(got) == target.ceiling.requests
    assert {one.user.person.name for one in done.of(OPS_CENTER, 2)} == {"cf-nobody-1", "cf-nobody-2"}
    assert len({one.user.person.name for one in done.of(OPS_CENTER, 4)}) == 4
    of_litellm = [tokens for path, tokens, _ in got if path == "/v1/chat/completions"]
    assert len(of_litellm) == len(done.of(LITELLM, 4)) >= 4
    assert set(of_litellm) == {"Bearer sk-of-litellm"}
    for path, token, body in got:
        first, mark, *_ = body["messages"][0]["content"].split()
        assert path.startswith("/v1") or token == f"Bearer token of {first}"
        assert any(o.user.person.name == first and o.request.mark == mark for o in done.sent)
        assert body.get("stream", False) == (first == "cf-nobody-2")
    assert len({(o.user.person.name, o.request.mark) for o in done.sent}) == len(done.sent)
    for one in done.sent:
        assert one.answered == (one.user.person.name != "cf-nobody-1" or one.stage.system == LITELLM)
    recorded = target.record.take()
    asked = [entry for entry in recorded if entry.operation == "chat"]
    assert len(asked) == len(done.of(OPS_CENTER, 2)) + len(done.of(OPS_CENTER, 4))
    assert {entry.operation for entry in recorded if entry not in asked} == {"chat_past_ops_center"}
    assert {e.values["headers"].get("X-Use-BYOK") for e in asked if "nobody-3" in e.token} == {"true"}  # type: ignore[operator]
    assert all(entry.reply and entry.reply.headers["x-request-id"] for entry in asked)


def test_a_request_without_an_answer_ends_at_the_deadline_and_one_to_nobody_at_once() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        done = generator.run(target_at(address, http_timeout_s=0.5), plan(Stage(1, OPS_CENTER, 0, 3)), lambda: 1.0)
    assert {(one.reply, one.error) for one in done.sent} == {(None, "did not answer within 0.5 s")}

    target = target_at(address)
    done = generator.run(target, plan(Stage(1, OPS_CENTER, 0, 3)), lambda: 1.0)
    assert all(one.reply is None and "refused" in one.error for one in done.sent)
    assert [entry.reply for entry in target.record.take()] == [None] * len(done.sent)


def test_a_load_that_nobody_allowed_or_that_is_too_large_is_not_begun() -> None:
    with served() as (url, got):
        with pytest.raises(NotTestableError, match=r"4 users on 127\.0\.0\.1 was not asked for.* set ALLOW_LOAD=127"):
            generator.run(target_at(url, allow_load="elsewhere.example"), plan(), lambda: 1.0)
        with pytest.raises(CeilingReachedError, match=r"the next 40 would be too many, after 0 requests.*MAX_REQUESTS"):
            generator.run(target_at(url, max_requests=39), plan(), lambda: 1.0)
        with pytest.raises(CeilingReachedError, match="MAX_PROVIDER_COST"):
            generator.run(target_at(url, provider_url="", max_provider_cost=1), plan(), lambda: 1.0)
    assert got == []


def test_a_missing_locust_and_one_that_fails_are_one_sentence(monkeypatch: pytest.MonkeyPatch, folders: Path) -> None:
    broken = folders / "broken.py"
    broken.write_text("raise RuntimeError('this file is broken')")
    with served() as (url, _):
        monkeypatch.setattr(generator, "LOCUSTFILE", broken)
        with pytest.raises(LoadFailedError, match=r"Locust ended with status \d+ \(.*this file is broken.*\): run"):
            generator.run(target_at(url), plan(), lambda: 1.0)
        monkeypatch.setattr(generator, "PACKAGE", "locust_that_is_missing")
        with pytest.raises(LoadFailedError, match=r"Locust, which sends .*, is not installed: run `make setup`\."):
            generator.run(target_at(url), plan(), lambda: 1.0)
    assert list(folders.glob("credit-flow-load-*")) == []


def test_a_killed_run_leaves_no_process_and_no_folder(folders: Path) -> None:
    """The suite is killed while users send requests."""
    code = (
        "import sys; sys.path.insert(0, 'tests/actors'); from test_load_generator import *; "
        "generator.run(target_at(sys.argv[1]), plan(Stage(4, OPS_CENTER, 0, 60)), lambda: 1.0, Workers(2))"
    )
    with served() as (url, got):
        run = subprocess.Popen(
            [sys.executable, "-c", code, url], cwd=PROJECT, env={**os.environ, "TMPDIR": str(folders)}
        )
        try:
            until = time.monotonic() + 60
            while not got and time.monotonic() < until:
                time.sleep(0.1)
            assert got, "Locust sent nothing within a minute"
            processes = psutil.Process(run.pid).children(recursive=True)
            assert len(processes) == 3
        finally:
            run.send_signal(signal.SIGKILL)
            run.wait(10)
        _, alive = psutil.wait_procs(processes, timeout=20)
    assert alive == []
    assert list(folders.iterdir()) == []


def test_groups_keep_their_proportions_with_another_number_of_users() -> None:
    groups = [Group(45, "individual", 1_000, 9), Group(5, "individual", 9, 1), Group(50, "BYOK user", 0, 10)]
    assert [(g.count, g.streams) for g in crowd.scaled(groups, 100)] == [(45, 9), (5, 1), (50, 10)]
    assert [(g.count, g.streams) for g in crowd.scaled(groups, 11)] == [(6, 0), (0, 0), (5, 1)]
    assert sum(g.count for g in crowd.scaled(groups, 503)) == 503


def test_a_few_users_of_each_kind_are_answered_and_every_system_agrees(target: Target, cast: Cast) -> None:
    cast.organization("the organisation", cast.person("admin", "platform"), credits=1_000)
    groups = [
        Group(2, "individual", 1_000, 1), Group(1, "individual", 9, 0),
        Group(2, "member", 100, 1), Group(2, "BYOK user", 0, 1),
    ]  # fmt: skip
    users = crowd.make(target, cast, groups)

    done = generator.run(target, Plan(users, "GPT-3.5-turbo", 100, 0.5, stages(2, 7, 10)), lambda: 1.0)

    load.no_server_error(done)
    load.answered_or_refused(done, Refusal.of('402 "insufficient credits"'), cast.prices)
    assert any(one.reply and one.reply.status == 402 for one in done.sent)
    assert {user.stream for user in users} == {True, False}
    parties = Parties.of(cast, None)
    reconciliation.audit(target, parties, history_of(target, parties, target.record.take()), 10)
