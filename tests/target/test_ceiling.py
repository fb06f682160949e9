"""A run sends no more LLM requests, and spends no more money, than it announces."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from creditflow.actors.llm_requests import LlmRequest, send_in_turn
from creditflow.checks.response_shapes import every_endpoint
from creditflow.target.ceiling import Ceiling, CeilingReachedError
from creditflow.target.settings import PROJECT, Settings, load
from creditflow.target.target import Target

if TYPE_CHECKING:
    from tests.conftest import MakePerson, MakeReply

NAMED = {"OPS_CENTER_URL": "http://localhost:1", "KEYCLOAK_URL": "http://localhost:1", "KEYCLOAK_CLIENT_SECRET": "x"}
STAND_IN = {**NAMED, "PROVIDER_URL": "http://localhost:1"}
HUNDRED = {"messages": [{"content": "two words"}], "max_tokens": 98}


@pytest.fixture
def service(no_settings: None) -> Iterator[tuple[str, list[str]]]:
    """Return a service that answers each request with the same completion: its address, and the requested paths."""
    asked: list[str] = []

    class Completion(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            asked.append(self.path)
            body = json.dumps({"usage": {"total_tokens": 100}}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Completion)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


@pytest.mark.usefixtures("no_settings")
def test_of_many_simultaneous_requests_exactly_those_that_fit_are_sent() -> None:
    ceiling = Ceiling(load({**STAND_IN, "MAX_REQUESTS": "100"}))

    def passes(_: int) -> bool:
        try:
            ceiling.count_request(HUNDRED)
        except CeilingReachedError:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(passes, range(400))) == 100
    assert ceiling.requests == 100
    with pytest.raises(
        CeilingReachedError, match=r"ceiling of 100 LLM requests, after 100 requests.*raise MAX_REQUESTS\."
    ):
        ceiling.check()


@pytest.mark.usefixtures("no_settings")
def test_requests_that_are_counted_together_fit_together_or_not_at_all() -> None:
    ceiling = Ceiling(load({**NAMED, "MAX_REQUESTS": "100", "PROVIDER_PRICE": "10"}))
    ceiling.count_request(HUNDRED, 60)
    assert (ceiling.requests, ceiling.cost) == (60, 60)
    ceiling.count_unsent(HUNDRED, 20)
    assert (ceiling.requests, ceiling.cost) == (40, 40)
    ceiling.count_request(HUNDRED, 60)
    ceiling.count_unsent(HUNDRED, 1)
    with pytest.raises(CeilingReachedError, match="of 100 LLM requests, and the next 2 would be too many, after 99"):
        ceiling.count_request(HUNDRED, 2)


def test_every_way_of_sending_an_llm_request_is_counted(service: tuple[str, list[str]], person: MakePerson) -> None:
    url, asked = service
    target = Target(load({**STAND_IN, "OPS_CENTER_URL": url, "LITELLM_URL": url, "MAX_REQUESTS": "3"}))
    try:
        target.ops_center.chat("token", HUNDRED)
        target.ops_center.chat_leaving_early("token", HUNDRED)
        target.litellm.chat(HUNDRED)
        assert target.ceiling.requests == len(asked) == 3
        for send in (
            lambda: target.ops_center.chat("token", HUNDRED),
            lambda: target.ops_center.chat_leaving_early("token", HUNDRED),
            lambda: target.litellm.chat(HUNDRED),
            lambda: every_endpoint(target.ops_center, "token"),
        ):
            with pytest.raises(CeilingReachedError):
                send()
        assert len([path for path in asked if "chat" in path]) == 3
    finally:
        target.close()


def test_a_load_run_stops_at_the_ceiling_and_does_not_go_round_it(
    service: tuple[str, list[str]], person: MakePerson
) -> None:
    url, asked = service
    target = Target(load({**STAND_IN, "OPS_CENTER_URL": url, "MAX_REQUESTS": "20"}))
    somebody = person()
    somebody._token, somebody._until = "a-token", float("inf")
    try:
        with pytest.raises(CeilingReachedError, match="MAX_REQUESTS"):
            send_in_turn(target.ops_center, somebody, lambda: LlmRequest("GPT-4", 100), 10_000)
    finally:
        target.close()
    assert len(asked) == 20


@pytest.mark.usefixtures("no_settings")
@pytest.mark.parametrize(("budget", "price", "fit"), [(1, 1, 10), (10, 6, 16), (0, 1, 0), (1, 11, 0), (60, 6, 100)])
def test_a_real_provider_is_paid_no_more_than_the_ceiling(budget: int, price: int, fit: int) -> None:
    ceiling = Ceiling(load({**NAMED, "MAX_PROVIDER_COST": str(budget), "PROVIDER_PRICE": str(price)}))
    for _ in range(fit):
        ceiling.count_request(HUNDRED)
    with pytest.raises(
        CeilingReachedError, match=rf"ceiling of {budget} US cents .*{price} cents per 1,000.*MAX_PROVIDER_COST"
    ):
        ceiling.count_request(HUNDRED)
    assert ceiling.requests == fit
    assert ceiling.cost <= budget


@pytest.mark.usefixtures("no_settings")
def test_what_a_provider_reports_beyond_the_announced_is_paid_too(reply: MakeReply) -> None:
    ceiling = Ceiling(load({**NAMED, "MAX_PROVIDER_COST": "6", "PROVIDER_PRICE": "6"}))
    ceiling.count_request(HUNDRED)
    ceiling.count_reply(HUNDRED, reply(200, {"usage": {"total_tokens": 50}}))
    assert ceiling.cost == 1
    ceiling.count_reply(HUNDRED, reply(200, {"usage": {"total_tokens": 950}}))
    assert ceiling.cost == 6
    with pytest.raises(CeilingReachedError, match="950 tokens so far"):
        ceiling.count_request(HUNDRED)


@pytest.mark.usefixtures("no_settings")
def test_with_a_stand_in_nobody_pays() -> None:
    ceiling = Ceiling(load({**STAND_IN, "MAX_PROVIDER_COST": "0"}))
    for _ in range(1_000):
        ceiling.count_request(HUNDRED)
    assert ceiling.cost == 0


@pytest.mark.usefixtures("no_settings")
def test_once_reached_the_run_is_over_for_what_would_still_fit() -> None:
    ceiling = Ceiling(load({**NAMED, "MAX_PROVIDER_COST": "1", "PROVIDER_PRICE": "6"}))
    with pytest.raises(CeilingReachedError):
        ceiling.count_request({"messages": [], "max_tokens": 128_000})
    with pytest.raises(CeilingReachedError):
        ceiling.count_request({"messages": [], "max_tokens": 1})


def test_the_default_is_above_what_the_opt_in_run_states() -> None:
    feature = PROJECT / "features" / "flows" / "1_individual_user.feature"
    counts = [
        int(number.replace(",", "")) for number in re.findall(r"sends? ([\d,]+) .* requests", feature.read_text())
    ]
    assert 10_000 in counts
    assert Settings.model_fields["max_requests"].default >= 1.2 * sum(counts)
