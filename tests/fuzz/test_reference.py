"""The reference Ops-Center answers any request as its contract says: never 500, and errors as problems."""

from __future__ import annotations

import base64
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from creditflow.actors.cast import Cast
from creditflow.actors.people import Organization, Person
from creditflow.checks.refusals import clear
from creditflow.cleanup.cleanup import Cleanup
from creditflow.target.drivers.http import Reply
from creditflow.target.settings import load
from creditflow.target.target import Target
from sandbox.ops_center import pricing
from sandbox.ops_center.app import create_app
from sandbox.ops_center.chat import ChatRequest
from sandbox.ops_center.settings import Settings

EXAMPLES = 25
"""The number of requests to each endpoint, of each kind (valid and invalid)."""

THEIRS = "11111111-1111-4111-8111-111111111111"
"""Stands for the id of the caller's own organisation."""
MEMBER = "the-member@example.com"
"""Stands for the e-mail of a member of it."""

INTEGER = {"type": "integer"}
TEXT = {"type": "string"}
TRUTH = {"type": "boolean"}
COUNT = {"type": ["integer", "null"]}
ANSWERS: dict[str, dict[str, Any]] = {
    "get /credits/balance": {
        "user_id": TEXT, "credits": INTEGER, "api_calls_used": INTEGER, "api_calls_limit": COUNT, "tier": TEXT,
    },
    "get /credits/organization/{org_id}": {
        "org_id": TEXT, "total_credits": INTEGER, "allocated_credits": INTEGER, "unallocated_credits": INTEGER,
    },
    "post /credits/organization/{org_id}/purchase": {
        "org_id": TEXT, "amount": INTEGER, "total_credits": INTEGER, "transaction_id": TEXT,
    },
    "post /credits/organization/{org_id}/allocate": {
        "user_email": TEXT, "allocated": INTEGER, "used": INTEGER, "remaining": INTEGER,
    },
    "get /credits/organization/{org_id}/my-allocation": {"allocated": INTEGER, "used": INTEGER, "remaining": INTEGER},
    "get /usage/current": {
        "api_calls_used": INTEGER, "api_calls_limit": COUNT, "api_calls_remaining": COUNT, "credits_used": INTEGER,
        "tier": TEXT, "period_start": TEXT, "reset_date": TEXT,
    },
    "get /usage/history": {"items": {"type": "array"}, "total": INTEGER},
    "get /llm/models": {"object": TEXT, "data": {"type": "array"}},
    "post /llm/chat/completions": {"cost_credits": INTEGER, "byok_used": TRUTH, "credits_remaining": INTEGER},
    "post /org": {"id": TEXT, "name": TEXT, "subscription_tier": TEXT, "created_at": TEXT},
    "get /org/{org_id}": {"id": TEXT, "name": TEXT, "subscription_tier": TEXT, "members": {"type": "array"}},
    "post /org/{org_id}/invite": {"org_id": TEXT, "user_email": TEXT, "role": TEXT},
    "post /settings/byok-keys": {"provider": TEXT, "configured": TRUTH, "key_preview": TEXT},
    "get /settings/byok-keys": {"openrouter_configured": TRUTH, "keys": {"type": "array"}},
    "get /system/status": {"status": TEXT, "services": {"type": "object"}},
}  # fmt: skip
"""The fields of each answer that is an object (contract, "Every endpoint")."""

PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": TEXT,
        "title": {"type": "string", "minLength": 1},
        "status": INTEGER,
        "detail": {"type": "string", "pattern": r"\.$"},
        "code": {"type": "string", "pattern": "^[a-z_]+$"},
    },
}
REQUEST_ID = {"X-Request-Id": {"required": True, "schema": {"type": "string", "format": "uuid"}}}


def api_schema() -> dict[str, Any]:
    """Return the reference's schema of requests, completed with the contract's answers."""
    anywhere, secret = "http://127.0.0.1", base64.urlsafe_b64encode(bytes(32)).decode()
    app = create_app(
        Settings.model_validate(
            {"database_url": anywhere, "redis_url": anywhere, "keycloak_url": anywhere, "litellm_url": anywhere,
             "litellm_key": "key", "lago_url": anywhere, "lago_key": "key", "byok_secret": secret,
             "public_url": anywhere}
        )
    )  # fmt: skip
    document = app.openapi()
    definitions = document["components"]["schemas"]
    definitions["Problem"] = PROBLEM
    definitions["ChatRequest"] = _question(definitions)
    for place in ("NewAllocation", "Invitation"):
        field = "user_email" if place == "NewAllocation" else "email"
        email = definitions[place]["properties"][field]
        definitions[place]["properties"][field] = {"anyOf": [{"const": MEMBER}, email]}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _complete(f"{method} {path.removeprefix('/api/v1')}", operation)
    return dict(document)


def _question(definitions: dict[str, Any]) -> dict[str, Any]:
    question = ChatRequest.model_json_schema(ref_template="#/components/schemas/{model}")
    definitions.update(question.pop("$defs"))
    question["properties"]["model"] = {"enum": list(pricing.RATES)}
    short = {"type": "integer", "minimum": 1, "maximum": 200}
    for limit in ("max_tokens", "max_completion_tokens"):
        question["properties"][limit] = {"anyOf": [short, {"const": 128_000}, {"type": "null"}]}
    return question


def _complete(name: str, operation: dict[str, Any]) -> None:
    for parameter in operation.get("parameters", []):
        if parameter["name"] == "org_id" and not name.startswith("delete"):
            parameter["schema"] = {"anyOf": [{"const": THEIRS}, parameter["schema"]]}
    if name == "post /llm/chat/completions":
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ChatRequest"}}},
        }
        headers = {
            "X-Use-BYOK": ["true", "false"],
            "Idempotency-Key": ["first", "second"],
            "X-Organization-Id": [THEIRS],
        }
        operation["parameters"] = [
            {"name": name, "in": "header", "schema": {"enum": values}} for name, values in headers.items()
        ]
    done = next(iter(operation["responses"]))
    answer = operation["responses"][done]
    if fields := ANSWERS.get(name):
        answer["content"] = {
            "application/json": {"schema": {"type": "object", "required": [*fields], "properties": fields}}
        }
        if name.endswith("completions"):
            answer["content"]["text/event-stream"] = {}
    problem = {
        "description": "A problem.",
        "headers": REQUEST_ID,
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    operation["responses"] = {
        done: {**answer, "headers": REQUEST_ID},
        **{str(status): problem for status in (400, 401, 402, 403, 404, 405, 409, 413, 422, 429, 502, 504)},
    }


@dataclass
class Asker:
    """The caller: the admin of an organisation with one member."""

    target: Target
    person: Person
    organization: Organization
    member: Person


@pytest.fixture(scope="module")
def asker(deployment: dict[str, str]) -> Iterator[Asker]:
    target, cleanup = Target(load({}, deployment)), Cleanup()
    cast = Cast(target, cleanup, lambda secret: None)
    try:
        admin = cast.person("admin", "platform", 10_000)
        organization = cast.organization("the organisation", admin, credits=100_000)
        yield Asker(target, admin, organization, cast.member("member", organization, 1_000))
        for org_id in target.unicorn.organizations_of(admin.email):
            if org_id != organization.id:
                target.ops_center.remove_organization(admin.token, org_id)
    finally:
        cleanup.carry_out()
        target.close()


schema = schemathesis.openapi.from_dict(api_schema())


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_one_that_the_contract_knows(case: Any, asker: Asker) -> None:
    _fill_in(case, asker)
    answer = case.call_and_validate(
        base_url=asker.target.settings.ops_center_url,
        headers={"Authorization": f"Bearer {asker.person.token}"},
        timeout=60,
        excluded_checks=[positive_data_acceptance],  # the contract also refuses some well-formed requests
    )
    assert uuid.UUID(answer.headers["x-request-id"][0])
    if answer.status_code >= 400:
        clear(Reply(answer.status_code, {}, answer.text, 0))
        assert answer.json()["status"] == answer.status_code
    elif answer.content and "json" in answer.headers["content-type"][0]:
        assert not [figure for figure in _figures(answer.json()) if isinstance(figure, float)]


def _fill_in(case: Any, asker: Asker) -> None:
    own = {THEIRS: asker.organization.id, MEMBER: asker.member.email}
    for part in (case.path_parameters, case.headers, case.body):
        if isinstance(part, dict):
            part.update({name: own[value] for name, value in part.items() if isinstance(value, str) and value in own})


def _figures(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from (
            f for name, part in value.items() if re.search("credit|alloc|used|amount|total|token", name) for f in [part]
        )
        yield from (f for part in value.values() for f in _figures(part))
    if isinstance(value, list):
        yield from (f for part in value for f in _figures(part))
