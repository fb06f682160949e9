"""The shape of answers is judged field by field, and a scenario that needs a missing system does not begin."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from creditflow.actors.bystanders import Bystanders
from creditflow.actors.cast import Cast
from creditflow.actors.people import Person
from creditflow.audit.watch import Watch
from creditflow.checks import response_shapes
from creditflow.checks.account_base import readable
from creditflow.cleanup.cleanup import Cleanup
from creditflow.cleanup.journal import Journal
from creditflow.cleanup.resources import KeycloakUser
from creditflow.core import period
from creditflow.core.errors import NotTestableError, ServiceUnavailableError
from creditflow.core.redaction import redactor
from creditflow.run import session
from creditflow.run.session import Session
from creditflow.target.drivers.http import Http
from creditflow.target.settings import load
from creditflow.target.target import Target

if TYPE_CHECKING:
    from tests.conftest import MakePerson, MakeReply

ID = {"X-Request-Id": "0547d8bd-3213-4e45-b347-a0923eacc758"}


@pytest.fixture
def somebody(target: Target, person: MakePerson) -> tuple[Cast, Person]:
    """Return a cast in which "they" are one person, who is in no system."""
    cast, one = Cast(target, Cleanup(), lambda secret: None), person()
    one.keys.append("sk-or-v1-abcdef-1234")
    cast._people[one.alias] = cast._last = one
    return cast, one


@pytest.mark.parametrize(
    ("value", "right", "wrong"),
    [
        ("10,000", [10_000], ["10000", 10_000.0, 9_999, None, True]),
        ("1", [1], [True, "1", 1.0]),
        ("0", [0], [False, None, ""]),
        ("yes", [True], [1, "yes", False]),
        ("no", [False], [0, None, "no"]),
        ("professional", ["professional"], ["Professional", None]),
        ("a UUID", [str(uuid.uuid4())], ["no-uuid", None, 1, str(uuid.uuid4())[:-1], uuid.uuid4().hex]),
        ("a time", ["2026-11-23T06:53:36.475231", "2026-11-23T06:53:36Z"], ["yesterday", None, "2026-13-01"]),
        ("their id", ["an-id"], ["another", None]),
        ("the individual's e-mail", ["cf-nobody-1@example.com"], ["cf-nobody-2@example.com", None]),
        ("the key's last four", ["1234", "...1234", "****1234"], ["f-1234", "sk-or-v1-abcdef-1234", "4321", None]),
        (
            "the first of this month",
            [period.start().isoformat(), period.start().replace(tzinfo=None).isoformat()],
            [period.reset().isoformat(), None],
        ),
        ("the first of next month", [period.reset().isoformat()], [period.start().isoformat()]),
    ],
)
def test_a_field_is_what_the_feature_says_and_of_its_kind(
    somebody: tuple[Cast, Person], reply: MakeReply, value: str, right: list[Any], wrong: list[Any]
) -> None:
    cast, _ = somebody
    for found in right:
        response_shapes.holds_fields(reply(200, {"field": found}, ID), {"field": value}, cast, exactly=True)
    for found in wrong:
        with pytest.raises(AssertionError, match=r"^the field field is .*, expected .*; the answer reads"):
            response_shapes.holds_fields(reply(200, {"field": found}, ID), {"field": value}, cast, exactly=True)


def test_a_field_too_many_or_too_few_is_red(somebody: tuple[Cast, Person], reply: MakeReply) -> None:
    cast, _ = somebody
    got = reply(200, {"credits": 9, "internal": 1}, ID)
    response_shapes.holds_fields(got, {"credits": "9"}, cast, exactly=False)
    with pytest.raises(AssertionError, match="the answer has the fields credits and internal, expected credits"):
        response_shapes.holds_fields(got, {"credits": "9"}, cast, exactly=True)
    with pytest.raises(AssertionError, match="the field tier is none, expected professional"):
        response_shapes.holds_fields(got, {"tier": "professional"}, cast, exactly=False)


def test_an_answer_without_a_success_or_a_request_id_is_red(somebody: tuple[Cast, Person], reply: MakeReply) -> None:
    cast, _ = somebody
    with pytest.raises(AssertionError, match="Ops-Center answered 500"):
        response_shapes.holds_fields(reply(500, {"field": 1}, ID), {"field": "1"}, cast, exactly=True)
    with pytest.raises(AssertionError, match="carries no X-Request-Id"):
        response_shapes.holds_fields(reply(200, {"field": 1}), {"field": "1"}, cast, exactly=True)


def test_an_error_of_ops_center_in_the_place_of_figures_is_a_service_that_is_away(
    somebody: tuple[Cast, Person], reply: MakeReply
) -> None:
    target = somebody[0].target
    for status in (200, 404, 499):
        assert readable(target, reply(status)).status == status
    for status in (500, 503):
        with pytest.raises(ServiceUnavailableError, match=rf"^Ops-Center at http.* answered {status} where figures"):
            readable(target, reply(status))


def test_every_door_that_opens_without_a_token_is_named(reply: MakeReply) -> None:
    away = reply(401, {}, {"WWW-Authenticate": 'Bearer realm="uchub"'})
    response_shapes.all_turned_away({"the balance": away, "the usage": away}, "without a token")
    given = {"the balance": away, "the usage": reply(200), "the keys": reply(401)}
    with pytest.raises(AssertionError, match="the usage, asked with an expired token, is answered with 200") as red:
        response_shapes.all_turned_away(given, "with an expired token")
    assert "the keys, asked with an expired token, demands none, expected Bearer" in str(red.value)
    assert "the balance" not in str(red.value)


def test_nobody_opens_any_endpoint(target: Target) -> None:
    replies = response_shapes.every_endpoint(target.ops_center, None)
    assert len(replies) == 17
    response_shapes.all_turned_away(replies, "without a token")


def test_whatever_a_scene_makes_is_owed_before_it_is_made(target: Target, tmp_path: Path) -> None:
    owed: list[Any] = []
    journal = Journal.begin(tmp_path, target.settings.ops_center_url, sandbox=True)
    bystanders = Bystanders(Cast(target, Cleanup(), redactor.learn), ())
    cast, accounts = Session(target.settings, target, Watch(target), bystanders, journal).scene(owed.append)
    person = cast.person("individual")
    accounts.credits(person, 0)
    assert target.keycloak.find_user(person.name) == person.id
    assert KeycloakUser(person.name) in journal.left
    owed[-1]()
    assert journal.left == []
    journal.end()
    assert target.keycloak.find_user(person.name) is None


def test_every_need_that_a_tag_names_is_a_setting_that_a_target_may_lack(deployment: dict[str, str]) -> None:
    named = Target(load({}, deployment))
    bare = Target(load({}, {name: value for name, value in deployment.items() if name not in session.NEEDS.values()}))
    for tag, setting in session.NEEDS.items():
        assert tag.startswith("needs.")
        assert named.has(setting)
        assert any(setting in limit for limit in bare.limits())
    with pytest.raises(NotTestableError, match=r"journal.*To make it testable: set PROVIDER_URL\."):
        _ = bare.provider


def test_a_run_is_begun_by_the_settings_alone_and_closes_what_it_opened(
    deployment: dict[str, str], no_settings: None
) -> None:
    owed: list[Any] = []
    said: list[str] = []
    begun = session.begin(deployment, owed.append, said.append)
    assert begun.settings.ops_center_url == deployment["OPS_CENTER_URL"]
    assert said[0].startswith(f"Target {deployment['OPS_CENTER_URL']}, run cf-")
    for close in reversed(owed):
        close()
    assert begun.target.unicorn.database._connection is None


def test_a_system_that_can_not_be_reached_is_one_sentence_with_its_address_and_the_request() -> None:
    http = Http("Ops-Center", "http://127.0.0.1:9", 1)
    with pytest.raises(ServiceUnavailableError) as away:
        http.send("GET", "/api/v1/credits/balance", token="a-token")
    http.close()
    said = str(away.value)
    assert said.startswith("Ops-Center at http://127.0.0.1:9 can't be reached (GET /api/v1/credits/balance)")
    assert said.endswith(".")
    assert "a-token" not in said


def test_somebody_s_token_is_kept_until_it_is_about_to_end(person: MakePerson) -> None:
    signed_in: list[int] = []

    def sign_in() -> dict[str, Any]:
        signed_in.append(1)
        return {"access_token": f"token {len(signed_in)}", "expires_in": 300}

    one = person()
    one.sign_in = sign_in
    assert [one.token, one.token] == ["token 1", "token 1"]
    one._until = 0
    assert one.token == "token 2"
