"""A service is away: what users see, and how everything recovers."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import requests

if TYPE_CHECKING:
    from tests.sandbox.ops_center.conftest import Deployment, Person

    Problem = Callable[[requests.Response, int, str], dict[str, Any]]
    Eventually = Callable[[Callable[[], bool], str], None]

ROOT = Path(__file__).parents[3]
SCHEMA = "ops_center_away"
SECONDS = 60


class Line:
    """A connection to one service, which a test can cut (connections end, new ones are refused) or pause."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self._port = probe.getsockname()[1]
        self._server: socket.socket | None = None
        self._open: list[socket.socket] = []
        self._flows = threading.Event()
        self.mend()

    @property
    def url(self) -> str:
        """Return the service's URL through this line."""
        login, at, _ = self._target.netloc.rpartition("@")
        return self._target._replace(netloc=f"{login}{at}127.0.0.1:{self._port}").geturl()

    def hold(self) -> None:
        """Pause: pass nothing on until the line is mended."""
        self._flows.clear()

    def mend(self) -> None:
        self._flows.set()
        if self._server is None:
            self._server = socket.create_server(("127.0.0.1", self._port))
            threading.Thread(target=self._serve, args=(self._server,), daemon=True).start()

    def lead_to(self, url: str) -> None:
        """Lead to another address, and end the present connections."""
        self.cut()
        self._target = urlsplit(url)
        self.mend()

    def cut(self) -> None:
        assert self._server is not None
        hang_up(self._server, *self._open)
        self._server = None
        self._open.clear()

    def _serve(self, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = server.accept()
                far = socket.create_connection((self._target.hostname, self._target.port or 80))
                self._open += [near, far]
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._flows.wait()
                sink.sendall(data)
        hang_up(source, sink)


def hang_up(*ends: socket.socket) -> None:
    for end in ends:
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


class Away:
    """A separate Ops-Center, in its own schema, with a line to each service."""

    def __init__(self, center: Deployment) -> None:
        target = center.target
        self.lines = {
            "postgresql": Line(target["UNICORN_DB_URL"]),
            "redis": Line(target["REDIS_URL"]),
            "keycloak": Line(target["KEYCLOAK_URL"]),
            "litellm": Line(target["LITELLM_URL"]),
            "lago": Line(target["LAGO_API_URL"]),
        }
        self.environment = {
            "PATH": os.environ["PATH"],
            "OPS_DATABASE_URL": f"{self.lines['postgresql'].url}?options=-csearch_path%3D{SCHEMA}",
            "OPS_REDIS_URL": self.lines["redis"].url,
            "OPS_KEYCLOAK_URL": self.lines["keycloak"].url,
            "OPS_KEYCLOAK_REALM": target["KEYCLOAK_REALM"],
            "OPS_LITELLM_URL": self.lines["litellm"].url,
            "OPS_LITELLM_KEY": target["LITELLM_MASTER_KEY"],
            "OPS_LITELLM_SECONDS": "600",
            "OPS_LAGO_URL": self.lines["lago"].url,
            "OPS_LAGO_KEY": target["LAGO_API_KEY"],
            "OPS_BYOK_SECRET": urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        }
        self.url = ""
        self._center = center
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "sandbox.ops_center", "--port", str(port)],
            cwd=ROOT,
            env=self.environment,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            assert self._process.poll() is None, "the Ops-Center ended"
            try:
                requests.get(f"{self.url}/api/v1/system/status", timeout=60)
            except requests.ConnectionError:
                time.sleep(0.05)
            else:
                return
        pytest.fail(f"the Ops-Center did not answer within {SECONDS} s")

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait(SECONDS)

    def person(self, credits: int = 0) -> Person:
        return self._center.person(credits, url=self.url, keycloak=self.lines["keycloak"].url)

    def status(self) -> dict[str, Any]:
        return dict(requests.get(f"{self.url}/api/v1/system/status", timeout=60).json())


@pytest.fixture(scope="module")
def away(center: Deployment) -> Iterator[Away]:
    center.sql(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
    center.sql(f"CREATE SCHEMA {SCHEMA}")
    center.sql(f"SET search_path = {SCHEMA}")
    away = Away(center)
    away.start()
    yield away
    away.kill()
    center.sql(f"DROP SCHEMA {SCHEMA} CASCADE")
    center.sql("SET search_path = public")


@pytest.fixture
def user(away: Away) -> Person:
    """Create a user with 1,000 credits at this module's Ops-Center."""
    return away.person(1000)


@pytest.fixture
def held(away: Away) -> Iterator[Line]:
    """Pause the line to LiteLLM until it is mended or the test ends."""
    line = away.lines["litellm"]
    line.hold()
    yield line
    line.mend()


@pytest.fixture
def cut(away: Away) -> Iterator[Callable[[str], Line]]:
    """Return a function that cuts a line until the test ends."""
    lines: list[Line] = []

    def cut(service: str) -> Line:
        line = away.lines[service]
        line.cut()
        lines.append(line)
        return line

    yield cut
    for line in lines:
        line.mend()


def test_redis_away_the_quota_holds_and_nothing_is_open(
    center: Deployment, user: Person, cut: Callable[[str], Line], problem: Problem
) -> None:
    center.place_calls(user, 697)
    assert user.ask().status_code == 200

    cut("redis")

    assert user.calls_used() == 698
    answers = center.at_once([user.ask] * 4)
    assert sorted(answer.status_code for answer in answers) == [200, 200, 429, 429]
    problem(user.ask(), 429, "quota_exceeded")


def test_redis_back_the_counter_has_missed_nothing(
    away: Away, center: Deployment, user: Person, cut: Callable[[str], Line], eventually: Eventually
) -> None:
    center.place_calls(user, 695)
    user.ask()
    line = cut("redis")
    assert [user.ask().status_code for _ in range(2)] == [200, 200]
    line.mend()
    eventually(lambda: away.status()["services"]["redis"] == "up", "redis is up again")

    assert [user.ask().status_code for _ in range(3)] == [200, 200, 429]


def test_lago_away_the_last_known_tier_holds_and_no_event_is_lost(
    away: Away, center: Deployment, user: Person, cut: Callable[[str], Line], eventually: Eventually
) -> None:
    center.subscribe(user.id, "professional")
    assert user.get("/credits/balance").json()["tier"] == "professional"
    center.redis.delete(f"tier:{user.id}")

    line = cut("lago")

    assert user.get("/credits/balance").json()["tier"] == "professional"
    request_id = user.ask().headers["X-Request-Id"]
    stranger = away.person()
    assert stranger.get("/credits/balance").json()["tier"] == "trial"
    assert center.redis.get(f"tier:{stranger.id}") is None
    waiting = "SELECT request_id FROM lago_events WHERE subscription_id = %s"
    assert center.sql(waiting, f"sub-{user.id}") == [{"request_id": request_id}]

    line.mend()
    eventually(lambda: center.sql(waiting, f"sub-{user.id}") == [], "the event is sent")
    found = center.lago("GET", "/events", params={"external_subscription_id": f"sub-{user.id}"}).json()["events"]
    assert [event["transaction_id"] for event in found] == [request_id]


def test_litellm_away_the_request_was_never_sent_and_does_not_count(
    center: Deployment, user: Person, cut: Callable[[str], Line], problem: Problem
) -> None:
    assert user.ask().status_code == 200
    cut("litellm")

    for stream in (False, True):
        problem(user.ask(stream=stream), 502, "provider_error")

    assert user.balance() == 991
    assert user.calls_used() == 1
    assert len(center.usage_rows(user)) == 1
    center.always_true()


class Streaming(BaseHTTPRequestHandler):
    """A LiteLLM with every kind of line separator in its answer, unescaped."""

    words = "one\u2028two\u2029three\u0085four"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        choice = {"choices": [{"index": 0, "delta": {"content": self.words}}]}
        usage = {"choices": [], "usage": {"total_tokens": 100}}
        events = [*(json.dumps(event, ensure_ascii=False) for event in (choice, usage)), "[DONE]"]
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.wfile.write("".join(f"data: {event}\n\n" for event in events).encode())

    def log_message(self, *_: object) -> None:
        pass


def test_a_stream_with_line_separators_in_its_words_is_whole_and_charged(
    away: Away, center: Deployment, user: Person, events: Callable[[requests.Response], list[Any]]
) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Streaming) as litellm:
        threading.Thread(target=litellm.serve_forever, daemon=True).start()
        away.lines["litellm"].lead_to(f"http://127.0.0.1:{litellm.server_port}")
        answer = user.ask(stream=True)
        away.lines["litellm"].lead_to(center.target["LITELLM_URL"])
        litellm.shutdown()

    only, done = events(answer)
    assert (only["choices"][0]["delta"]["content"], done) == (Streaming.words, "[DONE]")
    assert (only["cost_credits"], only["credits_remaining"]) == (9, 991)
    assert center.charges(user) == [9]
    center.always_true()


def test_postgresql_away_is_503_and_back_by_itself(
    *,
    away: Away,
    center: Deployment,
    user: Person,
    cut: Callable[[str], Line],
    eventually: Eventually,
    problem: Problem,
) -> None:
    line = cut("postgresql")

    organization = {"name": "A", "subscription_tier": "trial"}
    for answer in center.at_once(
        [user.ask, lambda: user.get("/credits/balance"), lambda: user.post("/org", organization)]
    ):
        problem(answer, 503, "service_unavailable")
        assert int(answer.headers["Retry-After"]) > 0
    status = away.status()
    assert (status["status"], status["services"]["postgresql"]) == ("degraded", "down")

    line.mend()
    eventually(lambda: user.get("/credits/balance").status_code == 200, "PostgreSQL is used again")
    assert user.ask().json()["credits_remaining"] == 991
    assert center.provider_calls(user) != []
    center.always_true()


def test_postgresql_lost_in_the_middle_of_a_call_charges_and_holds_nothing(
    *,
    away: Away,
    center: Deployment,
    user: Person,
    cut: Callable[[str], Line],
    held: Line,
    eventually: Eventually,
    problem: Problem,
) -> None:
    results: list[requests.Response] = []
    key = {"Idempotency-Key": secrets.token_hex(8)}
    asking = threading.Thread(target=lambda: results.append(user.ask(headers=key)))
    asking.start()
    eventually(lambda: len(center.sql("SELECT 1 FROM credit_reservations")) == 1, "the call is under way")
    line = cut("postgresql")
    held.mend()
    asking.join()
    line.mend()

    problem(results[0], 503, "service_unavailable")
    eventually(lambda: center.sql("SELECT 1 FROM credit_reservations") == [], "nothing is held any more")
    assert center.charges(user) == []
    eventually(lambda: center.sql("SELECT 1 FROM idempotency_keys") == [], "the key is free again")
    center.always_true()


def test_credits_are_held_while_the_provider_works(
    away: Away, center: Deployment, held: Line, eventually: Eventually, problem: Problem
) -> None:
    person = away.person(9)
    results: list[requests.Response] = []
    asking = threading.Thread(target=lambda: results.append(person.ask()))
    asking.start()
    reserved = "SELECT credits_reserved FROM user_credits WHERE user_id = %s"
    eventually(lambda: center.sql(reserved, person.id) == [{"credits_reserved": 9}], "9 credits are held")

    assert person.balance() == 9
    assert person.get("/usage/history").json()["total"] == 0
    problem(person.ask(), 402, "insufficient_credits")

    held.mend()
    asking.join()
    assert results[0].json()["cost_credits"] == 9
    assert person.balance() == 0
    center.always_true()


def test_keycloak_away_tokens_go_on_working(away: Away, user: Person, cut: Callable[[str], Line]) -> None:
    assert user.get("/credits/balance").status_code == 200

    cut("keycloak")

    assert user.ask().json()["credits_remaining"] == 991
    assert away.status()["services"]["keycloak"] == "down"


def test_keycloak_away_after_the_start_its_keys_are_known(away: Away, user: Person, cut: Callable[[str], Line]) -> None:
    away.kill()
    away.start()
    user.url = away.url

    cut("keycloak")

    assert user.get("/credits/balance").status_code == 200


def test_keycloak_away_before_its_keys_were_known_is_503(
    away: Away, user: Person, cut: Callable[[str], Line], eventually: Eventually, problem: Problem
) -> None:
    line = cut("keycloak")
    away.kill()
    away.start()
    user.url = away.url

    problem(user.get("/credits/balance"), 503, "service_unavailable")
    line.mend()
    eventually(lambda: user.get("/credits/balance").status_code == 200, "Keycloak's keys are known")


def test_what_a_killed_process_held_is_released_at_the_next_start(
    away: Away, center: Deployment, user: Person, held: Line, eventually: Eventually
) -> None:
    def ask() -> None:
        with contextlib.suppress(requests.ConnectionError):
            user.ask()

    asking = threading.Thread(target=ask)
    asking.start()
    eventually(lambda: len(center.sql("SELECT 1 FROM credit_reservations")) == 1, "the call is under way")

    away.kill()
    asking.join()
    held.cut()
    held.mend()
    away.start()
    user.url = away.url

    assert center.sql("SELECT 1 FROM credit_reservations") == []
    assert center.usage_rows(user)[0]["status"] == 500
    assert user.ask().json()["credits_remaining"] == 991
    assert user.calls_used() == 2
    center.always_true()


def test_a_second_ops_center_leaves_alone_what_the_first_one_holds(
    center: Deployment, user: Person, held: Line, eventually: Eventually
) -> None:
    answers: list[int] = []
    asking = threading.Thread(target=lambda: answers.append(user.ask().status_code))
    asking.start()
    eventually(lambda: len(center.sql("SELECT 1 FROM credit_reservations")) == 1, "the call is under way")

    second = Away(center)
    second.start()
    try:
        assert len(center.sql("SELECT 1 FROM credit_reservations")) == 1
        assert center.usage_rows(user)[0]["status"] == 102
    finally:
        second.kill()
        held.mend()
        asking.join()
    assert answers == [200]
    center.always_true()


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [("OPS_LAGO_KEY", None, "OPS_LAGO_KEY"), ("OPS_BYOK_SECRET", "c2hvcnQ=", "32 random bytes")],
)
def test_a_bad_setting_is_told_without_its_value(away: Away, name: str, value: str | None, says: str) -> None:
    environment = {other: kept for other, kept in away.environment.items() if other != name}
    if value:
        environment[name] = value

    ended = subprocess.run(
        [sys.executable, "-m", "sandbox.ops_center", "--port", "1"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )

    assert ended.returncode == 2
    assert says in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not value or value not in ended.stderr
