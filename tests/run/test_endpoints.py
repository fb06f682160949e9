"""A target that is not an Ops-Center is reported before the run; a missing endpoint is red with its name."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import pytest
import requests
from keycloak import KeycloakAdmin
from typer.testing import CliRunner

from creditflow.cleanup.journal import Journal
from creditflow.core.errors import CannotRunError, EndpointMissingError
from creditflow.core.naming import RUN
from creditflow.reporting import html
from creditflow.reporting.outcome import Kind, Problem
from creditflow.run import endpoints, session
from creditflow.run.command_line import app
from creditflow.target.drivers.ops_center import BASE, ENDPOINTS
from creditflow.target.health import services
from creditflow.target.settings import PROJECT, load
from creditflow.target.target import Target

JSON, PROBLEM, HTML = "application/json", "application/problem+json", "text/html; charset=utf-8"
OWN = {
    "EP1": {"credits": 0, "tier": "trial"},
    "EP7": {"api_calls_used": 0},
    "EP8": {"items": [], "total": 0},
    "EP10": {"object": "list", "data": []},
    "EP15": {"keys": []},
}


class Reply(NamedTuple):
    """A response of the product."""

    status: int
    body: Any = ""
    media_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()


Answer = Callable[[str, str, str], Reply | None]
"""Returns the response for the id of an endpoint (empty for any other path), the method and the path.

None means that the product forwards the request to an Ops-Center behind it.
"""


def endpoint_of(method: str, path: str) -> str:
    for number, (its, pattern) in ENDPOINTS.items():
        if its == method and re.fullmatch(BASE + pattern.replace("{org}", "[^/]+"), path):
            return number
    return ""


def as_the_contract_says(number: str, method: str, path: str) -> Reply:
    if number in OWN:
        return Reply(200, OWN[number])
    if not number:
        return Reply(404, {"code": "not_found", "detail": f"There is nothing at {path}."}, PROBLEM)
    if number == "EP12" and "an-id" in path:
        return Reply(200, {"id": "an-id", "members": []})
    return Reply(422, {"code": "invalid_request", "detail": "Correct the request and send it again."}, PROBLEM)


def always(answer: Reply) -> Answer:
    return lambda number, method, path: answer


def passed_on(number: str, method: str, path: str) -> None:
    return None


def without(reply: Reply, *missing: str, rest: Answer = as_the_contract_says) -> Answer:
    """Return the answers of an Ops-Center with this response at some endpoints."""
    return lambda number, method, path: reply if number in missing else rest(number, method, path)


def refuses_once_it_has_read_the_body(number: str, method: str, path: str) -> Reply:
    return as_the_contract_says(number, method, path) if method == "POST" else Reply(401, {"detail": "no"})


def knows_no_organization(number: str, method: str, path: str) -> Reply:
    """Answer 404 for an unknown organisation, with its own message."""
    if "{org}" in ENDPOINTS.get(number, ("", ""))[1] and "an-id" not in path:
        return Reply(404, {"detail": "Organization not found"})
    return as_the_contract_says(number, method, path)


def has_one_word_for_everything_unknown(number: str, method: str, path: str) -> Reply:
    known = number and ("{org}" not in ENDPOINTS[number][1] or "an-id" in path)
    return as_the_contract_says(number, method, path) if known else Reply(404, {"detail": "Not Found"})


@contextmanager
def product(answer: Answer, behind: str = "") -> Iterator[tuple[str, list[str]]]:
    """Start a server with these answers, maybe before an Ops-Center; yield its address and the requests."""

    class Handler(BaseHTTPRequestHandler):
        asked: ClassVar[list[str]] = []

        def do_GET(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.asked.append(f"{self.command} {self.path}")
            path = self.path.partition("?")[0]
            reply = answer(endpoint_of(self.command, path), self.command, path) or self._passed_on(sent)
            body = (reply.body if isinstance(reply.body, str) else json.dumps(reply.body)).encode()
            self.send_response(reply.status)
            for name, value in (("Content-Type", reply.media_type), ("Content-Length", str(len(body))), *reply.headers):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_DELETE = do_GET  # noqa: N815

        def _passed_on(self, sent: bytes) -> Reply:
            kept = {name: self.headers[name] for name in ("Authorization", "Content-Type") if name in self.headers}
            reply = requests.request(self.command, behind + self.path, headers=kept, data=sent, timeout=30)
            headers = tuple((name, reply.headers[name]) for name in ("X-Request-Id",))
            return Reply(reply.status_code, reply.text, reply.headers.get("Content-Type", JSON), headers)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", Handler.asked
        server.shutdown()


@contextmanager
def target_at(url: str, **more: str) -> Iterator[Target]:
    nobody = {"KEYCLOAK_URL": "http://127.0.0.1:1", "KEYCLOAK_CLIENT_SECRET": "a-secret"}
    named = nobody | more | {"OPS_CENTER_URL": url}
    target = Target(load({}, named))
    yield target
    target.close()


def surveyed(answer: Answer) -> endpoints.Survey:
    with product(answer) as (url, _), target_at(url) as target:
        return endpoints.ask_with(target, "a-token")


@pytest.mark.usefixtures("no_settings")
def test_an_ops_center_that_has_every_endpoint_is_asked_each_once() -> None:
    with product(as_the_contract_says) as (url, asked), target_at(url) as target:
        survey = endpoints.ask_with(target, "a-token")
    assert (survey.sentences, survey.missing, survey.judges_nothing) == ([], {}, False)
    assert [endpoint_of(*one.split(" ")) for one in asked] == list(ENDPOINTS)


NOT_FOUND, LOGIN = Reply(404, {"detail": "Not Found"}), (("Location", "http://sso.example/login?next=/api"),)
TOKENS = "This Ops-Center does not accept the realm's access tokens: 401 at /api/v1/credits/balance, "
ENDED: dict[str, tuple[Answer, str]] = {
    "it refuses every token": (always(Reply(401, {"detail": "no"})), TOKENS),
    "it refuses tokens once it has read the body": (refuses_once_it_has_read_the_body, TOKENS),
    "it forbids everything": (
        always(Reply(403, {"detail": "no"})),
        "This Ops-Center does not accept the realm's access tokens: 403 at /api/v1/credits/balance, ",
    ),
    "it has none of the endpoints": (
        always(NOT_FOUND),
        "15 of the plan's 15 endpoints are missing: 404 at GET /api/v1/credits/balance, ",
    ),
    "it takes no method": (always(Reply(405)), "15 of the plan's 15 endpoints are missing: 405 at GET "),
    "it is a web page": (
        always(Reply(200, "<html>", HTML)),
        "15 of the plan's 15 endpoints answer with no JSON: 200 text/html at GET /api/v1/credits/balance, ",
    ),
    "it wants a sign-in of its own": (
        always(Reply(302, "", HTML, LOGIN)),
        "15 of the plan's 15 endpoints lead somewhere else: 302 to http://sso.example/login at GET /api/v1/credits",
    ),
    "it is broken": (always(Reply(500, "oops", "text/plain")), "15 of the plan's 15 endpoints can't answer: 500 at"),
    "it is another product's API": (
        always(Reply(200, {"hello": "world"})),
        "5 of the plan's 15 endpoints answer unlike an Ops-Center: 200 {\"hello\": \"world\"} at GET /api/v1/credits",
    ),
    "it understands nothing": (
        always(Reply(400, {"error": "bad"})), "5 of the plan's 15 endpoints answer unlike an Ops-Center: 400 ",
    ),
}  # fmt: skip


@pytest.mark.usefixtures("no_settings")
@pytest.mark.parametrize("what", ENDED)
def test_a_target_on_which_nothing_could_be_judged_is_reported_in_sentences(what: str) -> None:
    answer, sentence = ENDED[what]
    survey = surveyed(answer)
    assert survey.judges_nothing
    assert survey.sentences[0].startswith(sentence)
    assert all(re.fullmatch(r"[^\n]+\.", one) for one in survey.sentences)


LACKING = ("EP2", "EP6", "EP11", "EP12", "EP15")


@pytest.mark.usefixtures("no_settings")
@pytest.mark.parametrize("reply", [NOT_FOUND, Reply(405), Reply(501), Reply(404, "<html>404</html>", HTML)])
def test_what_is_missing_is_named_and_the_rest_is_judged(reply: Reply) -> None:
    survey = surveyed(without(reply, *LACKING))
    assert not survey.judges_nothing
    assert survey.missing == dict.fromkeys(LACKING, str(reply.status))
    assert survey.sentences == [
        f"5 of the plan's 15 endpoints are missing: {reply.status} at GET /api/v1/credits/organization/{{org_id}}, "
        "GET /api/v1/credits/organization/{org_id}/usage-attribution, POST /api/v1/org, GET /api/v1/org/{org_id}, "
        "GET /api/v1/settings/byok-keys."
    ]


@pytest.mark.usefixtures("no_settings")
def test_one_page_among_answers_is_an_endpoint_that_is_missing() -> None:
    survey = surveyed(without(Reply(200, "<html>", HTML), "EP8"))
    assert (survey.missing, survey.judges_nothing) == ({"EP8": "200 text/html"}, False)


@pytest.mark.usefixtures("no_settings")
def test_tokens_that_some_endpoints_refuse_do_not_end_the_run() -> None:
    survey = surveyed(without(Reply(401), "EP9", "EP10"))
    assert (survey.missing, survey.judges_nothing) == ({}, False)
    assert survey.sentences[0].startswith(
        "This Ops-Center does not accept the realm's access tokens at 2 of the plan's 15 endpoints: 401 at /api/v1/llm/"
    )


@pytest.mark.usefixtures("no_settings")
def test_an_unknown_organisation_is_no_missing_endpoint() -> None:
    survey = surveyed(knows_no_organization)
    assert (survey.missing, survey.sentences) == ({}, [])


@pytest.mark.usefixtures("no_settings")
def test_what_is_unclear_without_an_organisation_is_known_with_one() -> None:
    with product(has_one_word_for_everything_unknown) as (url, _), target_at(url) as target:
        survey = endpoints.ask_with(target, "a-token")
        assert len(survey.missing) == 7
        assert survey.surely_missing == {}
        assert survey.confirmed(target, "a-token", "an-id").missing == {}
    with product(without(NOT_FOUND, "EP6", "EP12")) as (url, _), target_at(url) as target:
        survey = endpoints.ask_with(target, "a-token").confirmed(target, "a-token", "an-id")
    assert survey.missing == {"EP6": "404", "EP12": "404"}


@pytest.mark.usefixtures("no_settings")
def test_an_organisation_that_is_made_without_a_name_is_removed_again() -> None:
    with product(without(Reply(201, {"id": "made-anyway"}), "EP11")) as (url, asked), target_at(url) as target:
        endpoints.ask_with(target, "a-token")
    assert asked.count("DELETE /api/v1/org/made-anyway") == 1


@pytest.mark.usefixtures("no_settings")
def test_a_missing_endpoint_is_not_asked_and_is_an_error_in_a_group_of_its_own() -> None:
    with product(as_the_contract_says) as (url, asked), target_at(url) as target:
        target.ops_center.missing = {"EP9": "405"}
        with pytest.raises(EndpointMissingError) as missing:
            target.ops_center.chat("a-token", {})
        assert target.ops_center.balance("a-token").status == 200
    assert asked == ["GET /api/v1/credits/balance"]
    assert target.ceiling.requests == 0
    problem = Problem.of(missing.value, "When they ask")
    assert (problem.kind, problem.route()) == (Kind.MISSING, "")
    assert problem.message == (
        "This Ops-Center has no POST /api/v1/llm/chat/completions (EP9 of the plan): it answered 405."
    )
    assert html.CATEGORIES["An endpoint is missing"] == (Kind.MISSING,)


@pytest.mark.usefixtures("no_settings")
@pytest.mark.parametrize(
    ("status", "says"),
    [
        (Reply(200, "<html>", HTML), "answered 200 with text/html when asked for its status, not as Ops-Center does"),
        (Reply(302, "", HTML, LOGIN), "answered 302 and redirects to sso.example when asked for its status"),
        (NOT_FOUND, "answered 404 when asked for its status, not as Ops-Center does: check that OPS_CENTER_URL is"),
    ],
)
def test_the_health_of_another_product_is_reported(status: Reply, says: str) -> None:
    with product(always(status)) as (url, _), target_at(url) as target:
        (found,) = [health for health in services(target) if health.service == "Ops-Center"]
    assert found.state == "down"
    assert says in found.message


@pytest.mark.usefixtures("no_settings")
def test_an_ops_center_without_a_status_endpoint_is_up() -> None:
    refused = Reply(401, {"detail": "no"}, PROBLEM, (("WWW-Authenticate", "Bearer"),))
    with product(without(refused, "EP1")) as (url, _), target_at(url) as target:
        (found,) = [health for health in services(target) if health.service == "Ops-Center"]
    assert (found.state, found.message) == (
        "up",
        "does not report the state of its services (404 at /api/v1/system/status)",
    )


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal.begin(tmp_path, "http://ops.example", True)
    yield journal
    journal.end()


def names(users: KeycloakAdmin) -> set[str]:
    return {user["username"] for user in users.get_users({"search": f"{RUN}-"})}


def test_a_target_that_refuses_tokens_ends_the_run_and_keeps_nobody(
    deployment: dict[str, str], users: KeycloakAdmin, journal: Journal
) -> None:
    before, lines = names(users), list[str]()
    with (
        product(always(Reply(401, {"detail": "no"})), deployment["OPS_CENTER_URL"]) as (url, _),
        target_at(**{**deployment, "url": url}) as target,
        pytest.raises(CannotRunError) as ended,
    ):
        session.survey(target, lambda removal: None, journal, lines.append)
    first, *_, last = str(ended.value).splitlines()
    assert first.startswith(TOKENS)
    assert last == "No scenario could be judged, so nothing was run."
    assert (lines, names(users), journal.left) == ([], before, [])


def test_bystanders_do_without_what_is_missing(
    deployment: dict[str, str], users: KeycloakAdmin, journal: Journal
) -> None:
    before, lines, removals = names(users), list[str](), list[Callable[[], object]]()
    answer = without(NOT_FOUND, "EP11", "EP15", rest=passed_on)
    with (
        product(answer, deployment["OPS_CENTER_URL"]) as (url, _),
        target_at(**{**deployment, "url": url}) as target,
    ):
        bystanders = session.survey(target, removals.append, journal, lines.append)
        for removal in removals:
            removal()
        missing = target.ops_center.missing
    assert missing == {"EP11": "404", "EP15": "404"}
    assert (len(bystanders.cast.people), bystanders.cast.organizations) == (2, [])
    assert lines == [
        "2 of the plan's 15 endpoints are missing: 404 at POST /api/v1/org, GET /api/v1/settings/byok-keys.",
        "The bystanders have no organisation with credits: This Ops-Center has no POST /api/v1/org (EP11 of the plan): "
        "it answered 404.",
        "Scenarios that need a missing endpoint will be red and name it.",
    ]
    assert (names(users), journal.left) == (before, [])


def test_doctor_names_what_is_missing_and_keeps_nobody(
    monkeypatch: pytest.MonkeyPatch, deployment: dict[str, str], users: KeycloakAdmin, tmp_path: Path
) -> None:
    before = names(users)
    answer = without(Reply(405), "EP6", rest=passed_on)
    with product(answer, deployment["OPS_CENTER_URL"]) as (url, _):
        for name, value in {**deployment, "OPS_CENTER_URL": url, "JOURNAL_DIR": str(tmp_path)}.items():
            monkeypatch.setenv(name, value)
        ran = CliRunner().invoke(app, ["doctor"])
    assert ran.exit_code == 1
    assert ran.output.splitlines()[-2:] == [
        "1 of the plan's 15 endpoints is missing: 405 at GET /api/v1/credits/organization/{org_id}/usage-attribution.",
        "1 problem found.",
    ]
    assert names(users) == before
    assert not list(tmp_path.rglob("*.jsonl"))


STARTS = "A user who was granted no credits has none"
KEYS = "The settings say that an OpenRouter key is configured"
FEATURES = [PROJECT / "features" / name for name in ("flows/1_individual_user.feature", "platform/5_endpoints.feature")]


@pytest.mark.parametrize("answer", [without(NOT_FOUND, "EP15", rest=passed_on), None], ids=["one missing", "no token"])
def test_a_whole_run_is_red_by_name_or_ends_at_once(
    deployment: dict[str, str], users: KeycloakAdmin, tmp_path: Path, answer: Answer | None
) -> None:
    refusing = without(Reply(401, {"detail": "no"}), *ENDPOINTS, rest=passed_on)
    with product(answer or refusing, deployment["OPS_CENTER_URL"]) as (url, _):
        settings = {**deployment, "OPS_CENTER_URL": url, "WATCH": "bystanders", "TARGET_LOGS": ""}
        here = {"PYTHONPATH": str(PROJECT), "JOURNAL_DIR": str(tmp_path / "journals")}
        (tmp_path / "behave.ini").write_text((PROJECT / "behave.ini").read_text("utf-8"), "utf-8")
        ran = subprocess.run(
            [sys.executable, "-m", "behave", "-n", STARTS, "-n", KEYS, *map(str, FEATURES)],
            cwd=tmp_path, env={**os.environ, **settings, **here},
            capture_output=True, encoding="utf-8", timeout=300, check=False,
        )  # fmt: skip
    results = [json.loads(path.read_text("utf-8")) for path in tmp_path.glob("allure-results/*-result.json")]
    lines = ran.stdout.splitlines()
    if answer is None:
        assert ran.returncode == 2, ran.stdout + ran.stderr
        assert lines[-1] == "No scenario could be judged, so nothing was run."
        assert lines[-2].startswith(TOKENS)
        assert "untested" not in ran.stdout
        assert ".py" not in ran.stdout
        assert not [result for result in results if result["status"] == "passed"]
    else:
        assert ran.returncode == 1, ran.stdout + ran.stderr
        assert "1 of the plan's 15 endpoints is missing: 404 at GET /api/v1/settings/byok-keys." in lines
        assert "1 passed, 1 failed" in lines
        red = next(result for result in results if result["name"] == KEYS)
        assert red["status"] == "broken"
        assert {"name": "outcome", "value": "endpoint missing"} in red["labels"]
        assert red["statusDetails"]["message"] == (
            "This Ops-Center has no GET /api/v1/settings/byok-keys (EP15 of the plan): it answered 404."
        )
    name = next(line.rpartition(" ")[2] for line in lines if line.startswith("Target "))
    assert users.get_users({"search": f"{name}-"}) == []
