"""A cast is in every system while its scenario runs, and in none afterwards."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from keycloak import KeycloakAdmin
from psycopg2 import sql

from creditflow.actors.cast import Cast
from creditflow.actors.llm_requests import LlmRequest, new_key, send
from creditflow.actors.people import Organization, Person
from creditflow.checks.billing import Billing
from creditflow.cleanup.cleanup import Cleanup, LeftBehindError
from creditflow.core import polling
from creditflow.core.errors import NotTestableError, ServiceUnavailableError
from creditflow.core.expect import holds
from creditflow.core.naming import RUN
from creditflow.target.drivers.provider import fingerprint
from creditflow.target.drivers.realm import SignInRefusedError
from creditflow.target.settings import load
from creditflow.target.target import Target


def of_this_run(users: KeycloakAdmin) -> set[str]:
    return {user["username"] for user in users.get_users({"search": f"{RUN}-"})}


def pays(target: Target, key: str) -> bool:
    """Return whether the provider accepts a key."""
    asked = requests.post(
        f"{target.settings.provider_url}/openrouter/api/v1/chat/completions",
        json={"model": "openai/gpt-4", "messages": [{"role": "user", "content": f"{RUN}-0 key"}], "max_tokens": 1},
        headers={"Authorization": f"Bearer {key}"},
        timeout=60,
    )
    target.provider.forget(f"{RUN}-0")
    return asked.status_code == 200


def troubled(target: Target, person: Person) -> bool:
    """Return whether the provider has a trouble for a person."""
    told = requests.get(
        f"{target.settings.provider_url}/control/troubles",
        headers={"Authorization": f"Bearer {target.settings.provider_control_token.get_secret_value()}"},
        timeout=60,
    )
    return person.name in told.text


def rows(target: Target) -> dict[str, int]:
    """Return the number of rows of each table of `unicorn_db`."""
    database = target.unicorn.database
    count = sql.SQL("SELECT count(*) AS number FROM {}")
    return {t: database.rows(count.format(sql.Identifier(t)))[0]["number"] for t in sorted(database.columns())}


def active(target: Target) -> dict[str, int]:
    """Return the number of customers and subscriptions that Lago bills."""
    database = target.lago_db.database
    return {
        "customers": database.rows("SELECT count(*) AS n FROM customers WHERE deleted_at IS NULL")[0]["n"],
        "subscriptions": database.rows("SELECT count(*) AS n FROM subscriptions WHERE status IN (0, 1)")[0]["n"],
    }


def everything(target: Target, users: KeycloakAdmin, cache: Any) -> dict[str, Any]:
    """Count everything that a scenario can create, in all systems."""
    journal = requests.get(
        f"{target.settings.provider_url}/control/calls",
        headers={"Authorization": f"Bearer {target.settings.provider_control_token.get_secret_value()}"},
        timeout=60,
    ).json()
    return {
        "rows": rows(target),
        "Lago": active(target),
        "Redis": cache.dbsize(),
        "Keycloak": users.users_count(),
        "journal": journal["total"],
    }


def nothing_soon(target: Target, ids: list[str]) -> None:
    """Require that soon no row of any table contains these ids; Ops-Center may first send its events to Lago."""

    def gone() -> None:
        left = target.unicorn.database.tables_containing(ids)
        holds(not left, f"something is left in {left}")

    polling.soon(gone, 60)


def play(cast: Cast, target: Target) -> tuple[list[Person], Organization, str, list[str]]:
    """Run a scenario that uses all systems; return its people, organisation, provider key and ids."""
    ops_center = target.ops_center
    individual = cast.person("individual", "professional", 10_000)
    nobody = cast.person("stranger")
    admin = cast.person("admin", "platform")
    organization = cast.organization("the organisation", admin, credits=10_000)
    member = cast.member("member", organization, 2_500)
    key = cast.provider_key()
    stored = ops_center.store_key(individual.token, "openrouter", key)
    assert stored.status == 201, stored.text
    requests_of = [
        (individual, LlmRequest("GPT-3.5-turbo", 100, key=new_key())),
        (individual, LlmRequest("GPT-4", 100, own_key=True)),
        (member, LlmRequest("GPT-3.5-turbo", 100)),
    ]
    answers = [send(ops_center, who, request) for who, request in requests_of]
    assert all(answer.arrived for answer in answers), [answer.reply.text for answer in answers]
    cast.trouble(member, "server_error")
    cast.change_plan(individual, "starter")
    cast.change_plan(member, "enterprise")
    people = [individual, nobody, admin, member]
    ids = [p.id for p in people] + [p.name for p in people] + [organization.id] + [a.request_id for a in answers]
    return people, organization, key, ids


def test_a_scenario_is_in_every_system_and_afterwards_in_none(target: Target, users: KeycloakAdmin) -> None:
    before = of_this_run(users)
    cleanup = Cleanup()
    try:
        people, organization, key, ids = play(Cast(target, cleanup, lambda secret: None), target)
        assert of_this_run(users) - before == {p.name for p in people}
        assert set(target.unicorn.database.tables_containing(ids)) >= {
            "organizations", "organization_credits", "organization_members", "credit_transactions", "user_credits",
            "usage_tracking", "user_byok_keys", "idempotency_keys", "known_tiers",
        }  # fmt: skip
        assert len(target.counters.keys_containing(ids)) >= 2
        assert pays(target, key)
        assert troubled(target, people[-1])
        assert [len(target.provider.calls(p.name)) for p in people] == [2, 0, 0, 1]
        assert [len(target.lago_db.customers(p.id)) for p in people] == [1, 0, 1, 1]
    finally:
        cleanup.carry_out()

    assert of_this_run(users) == before
    nothing_soon(target, ids)
    assert target.counters.keys_containing(ids) == []
    assert not pays(target, key)
    assert not troubled(target, people[-1])
    for person in people:
        assert target.keycloak.find_user(person.name) is None
        assert target.provider.calls(person.name) == []
        assert target.lago_db.customers(person.id) == []
        assert target.lago.customer(person.id) is None
        assert target.lago.subscription(person.subscription) is None
        with pytest.raises(SignInRefusedError, match="invalid_grant"):
            target.keycloak.token(person.name, person.password)
    ended = "SELECT s.status FROM subscriptions s WHERE s.external_id = ANY(%s) AND s.status IN (0, 1)"
    assert target.lago_db.database.rows(ended, [p.subscription for p in people]) == []
    assert target.unicorn.organization(organization.id) is None


def test_there_is_as_much_of_everything_as_before(target: Target, users: KeycloakAdmin, cache: Any) -> None:
    """Another run may change the counts meanwhile, so the test repeats; a real leftover appears every time."""

    def once() -> None:
        cleanup = Cleanup()
        before = everything(target, users, cache)
        try:
            play(Cast(target, cleanup, lambda secret: None), target)
            during = everything(target, users, cache)
        finally:
            cleanup.carry_out()
        grown = [name for name, number in during["rows"].items() if number > before["rows"][name]]
        holds(len(grown) >= 9, f"only {grown} grew while the scenario ran")
        after = everything(target, users, cache)
        holds(after == before, f"there was {before} before the scenario and there is {after} after it")

    polling.soon(once, 60)


def test_each_cast_is_apart_from_every_other(target: Target, cleanup: Cleanup) -> None:
    casts = [Cast(target, cleanup, lambda secret: None) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        people = list(pool.map(lambda cast: cast.person("individual", "professional", 100), casts))
    assert len({p.id for p in people}) == len({p.email for p in people}) == 2
    assert [cast.subject("the individual") for cast in casts] == people
    assert all(p.name.startswith(f"{RUN}-") for p in people)


def test_a_person_that_the_scenario_did_not_make_is_not_found(cast: Cast) -> None:
    with pytest.raises(LookupError, match="'they' before it names a person"):
        cast.subject("they")
    with pytest.raises(LookupError, match="names the member, but this scenario has nobody"):
        cast.subject("the member")
    with pytest.raises(LookupError, match="names the organisation, but this scenario has none"):
        cast.find_organization("the organisation")


def test_they_refers_to_the_last_subject_and_not_to_people_mentioned(cast: Cast) -> None:
    individual, neighbour = cast.person("individual"), cast.person("neighbour")
    assert cast.subject("they") is neighbour
    assert cast.mentioned("the individual") is individual
    assert cast.subject("they") is neighbour
    assert cast.subject("the individual") is individual
    assert cast.subject("them") is individual


def test_lago_knows_a_subscriber_and_only_by_their_own_plan(cast: Cast, target: Target) -> None:
    subscriber, nobody = cast.person("individual", "professional"), cast.person("stranger")
    billing = Billing(target)
    billing.customer(subscriber)
    billing.subscription(subscriber, "professional")
    billing.customer_rows(subscriber)
    with pytest.raises(AssertionError, match="the plan of the individual in Lago is professional, expected starter"):
        billing.subscription(subscriber, "starter")
    with pytest.raises(AssertionError, match="Lago's customer for the stranger has the external id none, expected"):
        billing.customer(nobody)
    with pytest.raises(AssertionError, match="the subscription of the stranger is none, expected active"):
        billing.subscription(nobody, "professional")
    with pytest.raises(AssertionError, match=r"the stranger has 0 rows in lago \(customers\), expected 1"):
        billing.customer_rows(nobody)
    with pytest.raises(AssertionError, match="Lago's invoices for the stranger are none, expected finalized"):
        billing.invoice(nobody)


def test_removal_goes_on_when_one_part_fails_and_names_what_is_left(
    deployment: dict[str, str], target: Target, users: KeycloakAdmin, cleanup: Cleanup
) -> None:
    """Redis is down at the removal: nothing listens at its address."""
    gone = Target(load({}, {**deployment, "REDIS_URL": "redis://127.0.0.1:9/0"}))
    finalizers = Cleanup()
    cleanup.add_finalizer("the rest", finalizers.carry_out)
    cast = Cast(gone, finalizers, lambda secret: None)
    person = cast.person("individual", "professional", 10_000)
    cleanup.add_finalizer("what is left", lambda: target.counters.forget(person.id))
    admin = cast.person("admin", "platform")
    organization = cast.organization("the organisation", admin, credits=100)
    assert send(gone.ops_center, person, LlmRequest("GPT-3.5-turbo", 100)).arrived
    with pytest.raises(LeftBehindError) as left:
        finalizers.carry_out()
    gone.close()
    said = str(left.value)
    assert said.startswith("This could not be removed and is still on the target: the Redis keys of ")
    for who in (person, admin):
        assert f"the Redis keys of {who.name}" in said
    assert " (Redis at 127.0.0.1:9 " in said
    for removed in ("Keycloak user", "Lago customer", "the rows of", "the calls of", "the organisation"):
        assert removed not in said
    ids = [person.id, person.name, admin.id, admin.name, organization.id]
    nothing_soon(target, ids)
    assert target.keycloak.find_user(person.name) is None
    assert target.keycloak.find_user(admin.name) is None
    assert target.lago.customer(person.id) is None
    assert not {person.name, admin.name} & of_this_run(users)
    assert target.counters.keys_containing([person.id]) != []


def test_what_failed_in_the_making_is_removed_as_far_as_it_came(
    deployment: dict[str, str], users: KeycloakAdmin, cleanup: Cleanup
) -> None:
    """Lago refuses the key after the person was created in Keycloak; the person must not stay there."""
    wrong = Target(load({}, {**deployment, "LAGO_API_KEY": secrets.token_hex(16)}))
    finalizers = Cleanup()
    cleanup.add_finalizer("the rest", finalizers.carry_out)
    before = of_this_run(users)
    with pytest.raises(ServiceUnavailableError, match=r"Lago at .* answered 401.*LAGO_API_KEY"):
        Cast(wrong, finalizers, lambda secret: None).person("individual", "professional", 10_000)
    assert len(of_this_run(users) - before) == 1
    with pytest.raises(LeftBehindError, match="the Lago customer"):
        finalizers.carry_out()
    wrong.close()
    assert of_this_run(users) == before


def test_a_key_that_the_provider_knows_pays_and_an_unknown_one_does_not(cast: Cast, target: Target) -> None:
    for provider, form in (("openrouter", "sk-or-v1-"), ("openai", "sk-proj-")):
        assert cast.provider_key(provider, known=False).startswith(form)
    learned: list[str] = []
    finalizers = Cleanup()
    own = Cast(target, finalizers, learned.append)
    known, unknown = own.provider_key(), own.provider_key(known=False)
    assert learned == [known, unknown], "a key that the redactor does not know"
    assert pays(target, known)
    assert not pays(target, unknown)
    finalizers.carry_out()
    assert not pays(target, known)
    assert len(fingerprint(known)) == 16


def test_with_a_real_provider_the_key_is_the_user_s_own_or_the_scenario_can_not_be_tested(
    deployment: dict[str, str], cleanup: Cleanup
) -> None:
    real = {name: value for name, value in deployment.items() if name != "PROVIDER_URL"}
    target = Target(load({}, real))
    cast = Cast(target, cleanup, lambda secret: None)
    assert cast.provider_key() == deployment["TEST_OPENROUTER_KEY"]
    with pytest.raises(NotTestableError, match=r"To make it testable: set TEST_OPENROUTER_KEY\."):
        cast.provider_key("openai")
    without = Target(load({}, {name: value for name, value in real.items() if name != "TEST_OPENROUTER_KEY"}))
    with pytest.raises(NotTestableError, match="Not testable here: a BYOK request needs a key that openrouter accepts"):
        Cast(without, cleanup, lambda secret: None).provider_key()


def test_what_the_target_does_not_name_is_said_and_not_guessed(deployment: dict[str, str]) -> None:
    named = ("OPS_CENTER_URL", "KEYCLOAK_URL", "KEYCLOAK_CLIENT_SECRET")
    target = Target(load({}, {name: deployment[name] for name in named}))
    limits = target.limits()
    for setting, system in {
        "UNICORN_DB_URL": "unicorn",
        "LAGO_API_URL": "lago",
        "LAGO_DB_READ_URL": "lago_db",
        "REDIS_URL": "counters",
        "LITELLM_URL": "litellm",
        "PROVIDER_URL": "provider",
        "KEYCLOAK_SHORT_LIVED_CLIENT_ID": "short_lived_client",
        "OPS_CENTER_CLOCK": "clock",
    }.items():
        assert any(limit.endswith(f"(set {setting})") for limit in limits)
        with pytest.raises(NotTestableError, match=rf"Not testable here: .+\. To make it testable: set {setting}\."):
            getattr(target, system)
    target.close()


def test_everything_of_this_run_is_gone_at_the_end(users: KeycloakAdmin) -> None:
    assert of_this_run(users) == set()
