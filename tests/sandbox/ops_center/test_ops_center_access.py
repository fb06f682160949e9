"""Tokens, permissions, and the format of refusals."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx
import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import rsa

from sandbox.ops_center import tokens
from sandbox.ops_center.settings import Settings

if TYPE_CHECKING:
    from tests.sandbox.ops_center.conftest import Deployment, Person

    Problem = Callable[[requests.Response, int, str], dict[str, Any]]

ORG = "00000000-0000-4000-8000-000000000000"
ENDPOINTS = [
    ("GET", "/credits/balance"),
    ("GET", f"/credits/organization/{ORG}"),
    ("POST", f"/credits/organization/{ORG}/purchase"),
    ("POST", f"/credits/organization/{ORG}/allocate"),
    ("GET", f"/credits/organization/{ORG}/my-allocation"),
    ("GET", f"/credits/organization/{ORG}/usage-attribution"),
    ("GET", "/usage/current"),
    ("GET", "/usage/history"),
    ("POST", "/llm/chat/completions"),
    ("GET", "/llm/models"),
    ("POST", "/org"),
    ("GET", f"/org/{ORG}"),
    ("POST", f"/org/{ORG}/invite"),
    ("DELETE", f"/org/{ORG}"),
    ("POST", "/settings/byok-keys"),
    ("GET", "/settings/byok-keys"),
    ("DELETE", "/settings/byok-keys/openrouter"),
]


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_nobody_comes_in_without_a_token(center: Deployment, problem: Problem, method: str, path: str) -> None:
    for body in (b"{}", b"no JSON"):
        answer = requests.request(
            method,
            f"{center.url}/api/v1{path}",
            data=body,
            headers={"Content-Type": "application/json"},
            timeout=60,
        )
        problem(answer, 401, "unauthenticated")
        assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("header", ["Bearer nonsense", "Bearer a.b.c", "Bearer e30.e30.e30"])
def test_a_token_that_is_none_is_refused(center: Deployment, problem: Problem, header: str) -> None:
    answer = requests.get(f"{center.url}/api/v1/credits/balance", headers={"Authorization": header}, timeout=60)

    problem(answer, 401, "invalid_token")
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'


def test_an_id_token_is_no_access_token(center: Deployment, bystander: Person, problem: Problem) -> None:
    bearer = {"Authorization": f"Bearer {bystander.id_token}"}

    problem(requests.get(f"{center.url}/api/v1/credits/balance", headers=bearer, timeout=60), 401, "invalid_token")


def test_a_token_with_another_signature_is_refused(center: Deployment, bystander: Person, problem: Problem) -> None:
    head, body, signature = bystander.token.split(".")
    forged = f"{head}.{body}.{signature[:-8]}{'A' * 8}"

    answer = requests.get(
        f"{center.url}/api/v1/credits/balance", headers={"Authorization": f"Bearer {forged}"}, timeout=60
    )

    problem(answer, 401, "invalid_token")


class Issuer:
    """A realm's key for the test, to sign tokens that Keycloak never would."""

    def __init__(self) -> None:
        self.settings = Settings.model_validate(
            dict.fromkeys(
                (
                    "database_url",
                    "redis_url",
                    "litellm_url",
                    "litellm_key",
                    "lago_url",
                    "lago_key",
                    "public_url",
                ),
                "x",
            )
            | {"keycloak_url": "http://keycloak", "byok_secret": "A" * 43 + "="}
        )
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def claims(self, key: Any = None, algorithm: str = "RS256", **changed: object) -> dict[str, Any]:
        said = {
            "sub": str(uuid.uuid4()),
            "iss": "http://keycloak/realms/uchub",
            "aud": ["ops-center", "account"],
            "exp": time.time() + 60,
            "typ": "Bearer",
            "email": "Someone@Example.com",
        } | changed
        token = jwt.encode(
            {name: value for name, value in said.items() if value is not None},
            key or self.key,
            algorithm,
            headers={"kid": "the-key"},
        )
        public = jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True) | {"kid": "the-key"}

        async def check() -> dict[str, Any]:
            realm = httpx.MockTransport(lambda _request: httpx.Response(200, json={"keys": [public]}))
            async with httpx.AsyncClient(transport=realm) as http:
                return await tokens.claims(token, tokens.KeySet(http, self.settings), self.settings)

        return asyncio.run(check())


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return Issuer()


def test_a_good_token_names_a_person(issuer: Issuer) -> None:
    user_id = str(uuid.uuid4())

    person = tokens.person(issuer.claims(sub=user_id))

    assert (str(person.user_id), person.email) == (user_id, "someone@example.com")


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": 1},
        {"exp": None},
        {"iss": "http://keycloak/realms/master"},
        {"iss": None},
        {"aud": "account"},
        {"aud": None},
        {"sub": None},
        {"typ": "ID"},
        {"typ": "Refresh"},
        {"algorithm": "RS512"},
        {"algorithm": "HS256", "key": "a secret that the realm never had, long enough to sign with"},
        {"algorithm": "none", "key": ""},
        {"key": rsa.generate_private_key(public_exponent=65537, key_size=2048)},
    ],
    ids=lambda changed: " ".join(f"{name}={str(value)[:20]}" for name, value in changed.items()),
)
def test_a_token_with_a_wrong_claim_is_refused(issuer: Issuer, changed: dict[str, Any]) -> None:
    with pytest.raises(jwt.PyJWTError):
        issuer.claims(**changed)


def test_a_subject_that_is_no_uuid_is_nobody(issuer: Issuer) -> None:
    with pytest.raises(ValueError, match="badly formed"):
        tokens.person(issuer.claims(sub="admin"))


def test_what_does_not_exist_is_a_problem_too(bystander: Person, problem: Problem) -> None:
    problem(bystander.get("/nowhere"), 404, "not_found")
    answer = bystander.call("PUT", "/org")
    problem(answer, 405, "method_not_allowed")
    assert answer.headers["Allow"] == "POST"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/org/not-a-uuid", None),
        ("GET", "/credits/organization/1", None),
        ("POST", "/org", {"name": "", "subscription_tier": "platform"}),
        ("POST", "/org", {"name": "A", "subscription_tier": "gold"}),
        ("POST", "/org", {"name": "A"}),
        ("POST", "/org", ["no", "object"]),
        ("GET", "/usage/history?limit=0", None),
        ("GET", "/usage/history?offset=-1", None),
        ("GET", "/usage/history?limit=many", None),
        ("POST", "/settings/byok-keys", {"provider": "other", "api_key": "sk-or-12345678"}),
        ("POST", "/settings/byok-keys", {"provider": "openrouter", "api_key": 5}),
    ],
)
def test_a_malformed_request_is_told_what_to_correct(
    bystander: Person, problem: Problem, method: str, path: str, body: object
) -> None:
    problem(bystander.call(method, path, json=body), 422, "invalid_request")


def test_every_answer_has_its_own_request_id(bystander: Person) -> None:
    answers = [bystander.get(path) for path in ("/credits/balance", "/credits/balance", "/nowhere", "/llm/models")]

    assert len({str(uuid.UUID(answer.headers["X-Request-Id"])) for answer in answers}) == 4


def test_the_status_needs_no_token_and_names_every_service(center: Deployment) -> None:
    answer = requests.get(f"{center.url}/api/v1/system/status", timeout=60)

    assert answer.status_code == 200
    assert answer.json() == {
        "status": "up",
        "services": dict.fromkeys(["postgresql", "redis", "keycloak", "litellm", "lago"], "up"),
    }
