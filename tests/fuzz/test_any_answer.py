"""For any answer of a system, a check passes, is red, or reports that the system can't be understood.

No answer causes another exception: a `KeyError` does not name the system that is wrong.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from creditflow.actors import llm_requests
from creditflow.actors.cast import Cast
from creditflow.actors.llm_requests import Answer, LlmRequest
from creditflow.actors.people import Organization, Person
from creditflow.audit import history, systems
from creditflow.audit.ledger import judge
from creditflow.audit.parties import Parties, history_of
from creditflow.checks import refusals, response_shapes
from creditflow.checks.accounts import Accounts, HistoryEntry
from creditflow.checks.billing import Billing
from creditflow.checks.key_exposure import (
    require_absent_from_answers,
    require_absent_from_litellm,
    require_absent_from_organization,
)
from creditflow.checks.refusals import leads_to_a_page
from creditflow.cleanup.cleanup import Cleanup
from creditflow.core import period
from creditflow.core.errors import ServiceUnavailableError
from creditflow.target import ceiling, health
from creditflow.target.drivers.http import Http, Reply
from creditflow.target.drivers.realm import SignInRefusedError
from creditflow.target.drivers.record import RecordedRequest as Act
from creditflow.target.settings import load
from creditflow.target.target import Target

pytestmark = pytest.mark.usefixtures("nothing_set")

UNDERSTOOD = (AssertionError, ServiceUnavailableError, SignInRefusedError)
"""What a reader may raise: a verdict, that a system can't be understood, or that it said no."""

FIELDS = [
    "credits", "api_calls_used", "api_calls_limit", "api_calls_remaining", "tier", "user_id", "org_id",
    "total_credits", "allocated_credits", "unallocated_credits", "allocated", "used", "remaining", "user_email",
    "credits_used", "api_calls", "period_start", "reset_date", "items", "total", "timestamp", "request_id",
    "model", "tokens", "byok", "status", "object", "data", "id", "name", "members", "role", "choices", "message",
    "content", "delta", "finish_reason", "usage", "total_tokens", "cost_credits", "credits_remaining",
    "byok_used", "code", "detail", "title", "upgrade_url", "services", "version", "calls", "caller", "request",
    "provider", "key_fingerprint", "stream", "outcome", "customer", "external_id", "subscription", "plan_code",
    "external_customer_id", "event", "transaction_id", "external_subscription_id", "invoices", "invoice_type",
    "total_amount_cents", "customer_usage", "charges_usage", "units", "keys", "error", "meta", "lago_id",
]  # fmt: skip

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from([10**400, "", "9", "[DONE]", "2026-01-01T00:00:00Z", "no time", "a" * 5_000])
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=3), inner, max_size=6)
    ),
    max_leaves=12,
)
nearly = st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, values))


def spelt(value: Any) -> str:
    """Return a value as JSON, extended by NaN and Infinity."""
    return json.dumps(value)


texts = (
    values.map(spelt) | nearly.map(spelt) | st.text(max_size=30)
    | st.sampled_from(["", "{", "null", "[" * 5_000, '"', "1e999", "{}", "[]"])
    | st.tuples(nearly.map(spelt), st.integers(0, 60)).map(lambda cut: cut[0][: -1 - cut[1]])
)  # fmt: skip
headers = st.dictionaries(
    st.sampled_from(["X-Request-Id", "Content-Type", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset",
                     "Retry-After", "WWW-Authenticate"]),
    st.text(max_size=6) | st.sampled_from(["", "9" * 5_000, "٣", "application/problem+json", "Bearer"]),
)  # fmt: skip
replies = st.builds(
    Reply,
    status=st.sampled_from([200, 201, 204, 401, 402, 429, 500, 0, -1]),
    headers=headers,
    text=texts,
    milliseconds=st.just(1.0),
    events=st.just(()) | st.lists(values | nearly | st.just("[DONE]"), max_size=4).map(tuple),
)


def somebody(alias: str = "the individual") -> Person:
    return Person(
        alias, "cf-abc123-1", "cf-abc123-1@example.com", "a-password", "11111111-1111-4111-8111-111111111111",
        "professional", lambda: {"access_token": "a-token", "expires_in": 3600}, keys=["sk-or-v1-0123456789"],
    )  # fmt: skip


def cast_of(target: Target) -> Cast:
    """Return a cast with an individual and an organisation that are in no system."""
    cast = Cast(target, Cleanup(), lambda secret: None)
    person = somebody()
    cast._people[person.alias] = cast._last = person
    cast._organizations["the organisation"] = Organization("the organisation", "an-id", "Its name", person, [person])
    return cast


def understood(reads: dict[str, Callable[[], object]]) -> None:
    """Require that each function returns or raises an expected error."""
    wrong = {}
    for name, read in reads.items():
        with suppress(*UNDERSTOOD):
            try:
                read()
            except UNDERSTOOD:
                raise
            except Exception as error:
                wrong[name] = f"{type(error).__name__}: {error}"[:200]
    assert not wrong


@pytest.fixture(scope="module")
def nowhere(nothing_set: None) -> Iterator[Target]:
    """Return a target that receives no request."""
    address = "http://127.0.0.1:1"
    target = Target(load({"OPS_CENTER_URL": address, "KEYCLOAK_URL": address, "KEYCLOAK_CLIENT_SECRET": "secret"}))
    yield target
    target.close()


@given(reply=replies, stream=st.booleans())
@example(Reply(200, {}, "{}", 1.0, ({"choices": None},)), True)
@example(Reply(200, {}, '{"choices": [{"message": null}]}', 1.0), False)
@example(Reply(200, {}, '{"usage": {"total_tokens": "nine"}}', 1.0), False)
def test_any_answer_to_a_question_is_read(reply: Reply, stream: bool) -> None:
    answer = Answer(somebody(), LlmRequest("GPT-4", 100, stream=stream), reply)
    tokens = answer.reported_tokens
    assert tokens is None or type(tokens) is int
    understood(
        {
            "the fields": lambda: answer.fields.get("cost_credits"),
            "the text": lambda: answer.text + "",
            "whether it arrived": lambda: answer.arrived,
            "the code": lambda: answer.code + answer.detail + answer.request_id,
            "the shape": lambda: llm_requests.require_openai_shape(answer),
        }
    )


@given(body=values | nearly)
@example({"messages": [{"content": None}]})
@example({"messages": [{"content": "two words"}], "max_tokens": float("inf")})
def test_what_any_body_announces_is_a_number_or_nothing(body: Any) -> None:
    tokens = ceiling.announced(body)
    assert tokens is None or type(tokens) is int


@given(reply=replies)
def test_any_page_and_any_refusal_is_judged(nowhere: Target, reply: Reply) -> None:
    cast = cast_of(nowhere)
    stated = {
        "credits": "10,000",
        "tier": "professional",
        "user_id": "their id",
        "total": "a UUID",
        "timestamp": "a time",
    }
    whole = [{"request_id": "one"}, {"request_id": "two"}]
    understood(
        {
            "the fields of a page": lambda: response_shapes.holds_fields(reply, stated, cast, exactly=True),
            "the preview of a key": lambda: response_shapes.holds_fields(
                reply, {"name": "the key's last four"}, cast, exactly=False
            ),
            "the start of the month": lambda: response_shapes.holds_fields(
                reply, {"period_start": "the first of this month"}, cast, False
            ),
            "a page of a history": lambda: response_shapes.part_of(reply, whole, 1, 2, "the individual"),
            "every endpoint": lambda: response_shapes.all_turned_away({"the balance": reply}, "without a token"),
            "a refusal": lambda: refusals.refused(
                reply, refusals.Refusal(402, "insufficient credits", True), "they", str
            ),
            "a refusal's sentence": lambda: refusals.clear(reply),
            "a refusal's topic": lambda: refusals.says(reply, "buy"),
            "a refusal's link": lambda: refusals.offers_upgrade(reply),
            "where a refusal's link leads": lambda: refusals.leads_to_a_page(reply, Http("Ops-Center", "http://a", 1)),
            "a refusal's day": lambda: refusals.names_reset_date(reply),
            "the rate limit": lambda: refusals.rate_limit(reply, 1, 2),
        }
    )


@given(value=values)
@example("9999-12-31T23:59:59-23:59")
@example("0001-01-01T00:00:00+23:59")
def test_any_value_is_a_time_or_none(value: Any) -> None:
    understood(
        {"a time": lambda: response_shapes.is_time(value), "a recent time": lambda: response_shapes.is_recent(value)}
    )


STATUSES = {
    "allocate": 200,
    "chat_past_ops_center": 200,
    "create_organization": 201,
    "invite": 201,
    "purchase": 201,
    "remove_organization": 204,
}
"""The status of success by the kind of request."""


@given(
    act=st.sampled_from([*STATUSES, "chat", "forget_counter", "grant", "place_calls"]),
    token=st.none() | st.text(max_size=10) | st.just("eyJhbGciOiJub25lIn0.W10."),
    body=values | nearly,
    reply=st.none() | replies,
    exact=st.booleans(),
)
@example("chat_past_ops_center", None, {}, Reply(200, {}, "", 1.0), True)
def test_any_record_is_read(act: str, token: str | None, body: Any, reply: Reply | None, exact: bool) -> None:
    """The suite made everything in a record but the bodies of requests and the replies."""
    sent = {
        "user_id": "a", "credits": 1, "count": 1, "at": period.now(), "organization": "o", "email": "e",
        "key": None, "body": body, "headers": {},
    }  # fmt: skip
    reply = replace(reply, status=STATUSES.get(act, reply.status)) if reply else None
    history.read([Act(act, token, sent, reply)], history.Names({}, {}), exact)


class Answering(BaseHTTPRequestHandler):
    """Answers every request with the same status, headers and body."""

    status: ClassVar[int] = 200
    content_type: ClassVar[str] = "application/json"
    body: ClassVar[bytes] = b"{}"
    length: ClassVar[int | None] = None

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(self.status)
        self.send_header("Content-Type", self.content_type)
        self.send_header("Content-Length", str(len(self.body) if self.length is None else self.length))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(self.body)

    do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def answering(nothing_set: None, deployment: dict[str, str]) -> Iterator[Target]:
    """Return a target with `Answering` for all HTTP services; its databases and Redis are those of the sandbox."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    services = ("OPS_CENTER_URL", "KEYCLOAK_URL", "LAGO_API_URL", "LITELLM_URL", "PROVIDER_URL")
    deadlines = {"HTTP_TIMEOUT_S": "2", "POLL_TIMEOUT_S": "1"}
    target = Target(load({**deployment, **dict.fromkeys(services, url), **deadlines}))
    yield target
    target.close()
    server.shutdown()
    server.server_close()


bodies = texts.map(lambda text: text.encode("utf-8", "replace")) | st.binary(max_size=30) | st.just(b"x" * 1_000_000)


@settings(max_examples=40)
@given(
    status=st.sampled_from([200, 201, 204, 302, 401, 404, 422, 500]),
    content_type=st.sampled_from(
        ["application/json", "text/html", "text/event-stream", "", "application/json; charset=zz"]
    ),
    body=bodies,
    missing=st.sampled_from([0, 0, 0, 5]),
)
@example(200, "application/json", b"[]", 0)
@example(200, "application/json", b"null", 0)
@example(200, "application/json", b'{"services": ["up"]}', 0)
@example(200, "application/json", b'{"calls": [{}], "data": [{}], "plans": [{}], "invoices": [{}], "customer": {}}', 0)
@example(200, "application/json", b'{"items": [1], "members": [1], "data": 1, "calls": 1}', 0)
@example(200, "application/json", b'[1, null, {"user_email": []}]', 0)
@example(500, "text/html", b"<html>", 0)
@example(401, "application/json", b"[]", 0)
def test_any_answer_of_any_service_is_understood_or_told(
    answering: Target, status: int, content_type: str, body: bytes, missing: int
) -> None:
    bare = status in (204, 304)
    Answering.status, Answering.content_type = status, content_type
    Answering.body, Answering.length = (b"", None) if bare else (body, len(body) + missing)
    cast = cast_of(answering)
    person, organization = cast.subject("the individual"), cast.find_organization("the organisation")
    organization.id = "22222222-2222-4222-8222-222222222222"
    reply = Http("Ops-Center", answering.settings.ops_center_url, 2).send if not missing else None
    answer = Answer(person, LlmRequest("GPT-4", 100), Reply(200, {"X-Request-Id": person.id}, "{}", 1.0))
    accounts, billing, center = Accounts(answering, cast), Billing(answering), answering.ops_center
    parties = Parties.of(cast, None)
    past = history_of(answering, parties, [])
    understood(
        {
            "the health": lambda: health.services(answering),
            "sending": lambda: reply("GET", "/") if reply else None,
            "the balance": lambda: accounts.credits(person, 1),
            "the calls": lambda: accounts.calls(person, 1, 2),
            "the allocation": lambda: accounts.allocation(person, organization, 1),
            "the used": lambda: accounts.used(person, organization, 1),
            "the organisation": lambda: accounts.organization(organization, 1, 1),
            "what it holds": lambda: accounts.organization(organization, 1),
            "the removal": lambda: accounts.removed(organization),
            "the breakdown": lambda: accounts.attribution(organization, [(person, 1, 1)]),
            "the provider's calls": lambda: accounts.provider_calls(person, 1, 1),
            "the spent": lambda: accounts.spent(person, 1),
            "the history": lambda: accounts.history(person, [HistoryEntry("m", 1, 1, False)]),
            "a page": lambda: accounts.page(person, center.history("a-token"), 1, 1),
            "the key's absence": lambda: require_absent_from_answers(center, person),
            "the key's absence from pages": lambda: require_absent_from_organization(center, organization, person),
            "the key's absence from LiteLLM": lambda: require_absent_from_litellm(answering.litellm, person),
            "the way to a page": lambda: leads_to_a_page(
                Reply(402, {}, f'{{"upgrade_url": "{center.http.url}/"}}', 1.0), center.http
            ),
            "the customer": lambda: billing.customer(person),
            "the subscription": lambda: billing.subscription(person, "platform"),
            "the invoice": lambda: billing.invoice(person),
            "the invoice's rows": lambda: billing.invoice_rows(person),
            "the event": lambda: billing.event(answer),
            "the bill": lambda: billing.billed(person, 1),
            "the repetition": lambda: billing.refuses_repetition(answer),
            "the books": lambda: judge(
                past,
                systems.together(map(systems.shown, systems.looks_at(answering, parties, past, []))),
            ),
            "a stranger's stream": lambda: center.chat_leaving_early("a-token", {}).events,
            "the models": answering.litellm.models,
            "the version": lambda: answering.litellm.version() + answering.lago.version(),
            "a sign-in": lambda: answering.keycloak.token("somebody", "password")["access_token"],
            "a user": lambda: answering.keycloak.find_user("somebody"),
        }
    )
