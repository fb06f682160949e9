"""People, organisations and systems for tests of the reference's contract."""

from __future__ import annotations

import hashlib
import json
import secrets
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import psycopg2
import psycopg2.extras
import pytest
import redis
import requests
from keycloak import KeycloakAdmin

SECONDS = 60
PASSWORD = "TestPassword123!"
GPT35 = "openai/gpt-3.5-turbo"
Result = TypeVar("Result")

ALWAYS_TRUE = {
    "an individual has the sum of their rows": """
        SELECT user_id AS whose, credits_remaining, journal FROM user_credits FULL JOIN (
            SELECT user_id, sum(amount) AS journal FROM credit_transactions WHERE org_id IS NULL
            GROUP BY user_id) j USING (user_id)
        WHERE COALESCE(credits_remaining, 0) <> COALESCE(journal, 0)""",
    "an organisation has the sum of its rows": """
        SELECT org_id AS whose, total_credits, journal FROM organization_credits LEFT JOIN (
            SELECT org_id, sum(amount) AS journal FROM credit_transactions GROUP BY org_id) j USING (org_id)
        WHERE total_credits <> COALESCE(journal, 0)""",
    "allocated is the sum over the members of allocated less used": """
        SELECT org_id AS whose, c.allocated_credits, sum(m.allocated_credits - m.used_credits)
        FROM organization_credits c JOIN organization_members m USING (org_id)
        GROUP BY org_id, c.allocated_credits
        HAVING c.allocated_credits <> sum(m.allocated_credits - m.used_credits)""",
    "0 <= allocated <= total": """
        SELECT org_id AS whose, * FROM organization_credits
        WHERE allocated_credits < 0 OR allocated_credits > total_credits""",
    "0 <= used <= allocated": """
        SELECT org_id AS whose, * FROM organization_members
        WHERE used_credits < 0 OR used_credits > allocated_credits""",
    "one usage row for each charged call, same request, same amount": """
        SELECT COALESCE(t.user_id, u.user_id) AS whose, request_id, amount, credits
        FROM (SELECT * FROM credit_transactions WHERE transaction_type = 'usage') t
        FULL JOIN (SELECT * FROM usage_tracking WHERE credits > 0) u USING (request_id)
        WHERE t.amount IS DISTINCT FROM -u.credits OR t.user_id IS DISTINCT FROM u.user_id
           OR t.org_id IS DISTINCT FROM u.org_id""",
    "nothing stays held": """
        SELECT user_id AS whose FROM credit_reservations
        UNION ALL SELECT user_id FROM user_credits WHERE credits_reserved <> 0
        UNION ALL SELECT org_id FROM organization_members WHERE reserved_credits <> 0
        UNION ALL SELECT org_id FROM organization_credits WHERE reserved_credits <> 0""",
}


class Person:
    """A signed-in user."""

    def __init__(self, url: str, user_id: str, email: str, token: dict[str, str]) -> None:
        self.url = url
        self.id = user_id
        self.email = email
        self.word = email.partition("@")[0]
        self.token = token["access_token"]
        self.id_token = token.get("id_token", "")
        self._http = requests.Session()
        self._http.headers["Authorization"] = f"Bearer {self.token}"
        self._http.trust_env = False

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        return self._http.request(method, f"{self.url}/api/v1{path}", timeout=SECONDS, **options)

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.call("GET", path, **options)

    def post(self, path: str, body: object, **options: Any) -> requests.Response:
        return self.call("POST", path, json=body, **options)

    def delete(self, path: str) -> requests.Response:
        return self.call("DELETE", path)

    def question(self, tokens: int = 100, model: str = GPT35, **more: Any) -> dict[str, Any]:
        """Return a request for this number of tokens: two in the prompt, the rest in the answer."""
        message = {"role": "user", "content": f"{self.word} asks"}
        return {"model": model, "messages": [message], "max_tokens": tokens - 2, **more}

    def ask(
        self, tokens: int = 100, model: str = GPT35, headers: dict[str, str] | None = None, **more: Any
    ) -> requests.Response:
        return self.post("/llm/chat/completions", self.question(tokens, model, **more), headers=headers)

    def ask_with_own_key(self, tokens: int = 100, model: str = GPT35, **more: Any) -> requests.Response:
        return self.ask(tokens, model, {"X-Use-BYOK": "true"}, **more)

    def balance(self) -> int:
        return int(self.get("/credits/balance").json()["credits"])

    def calls_used(self) -> int:
        return int(self.get("/usage/current").json()["api_calls_used"])


class Organization:
    """An organisation, its admin, and its members."""

    def __init__(self, deployment: Deployment, admin: Person, tier: str = "platform") -> None:
        answer = admin.post("/org", {"name": "Test Organization", "subscription_tier": tier})
        assert answer.status_code == 201, answer.text
        self.id: str = answer.json()["id"]
        deployment.organizations.append(self.id)
        self.admin = admin
        self.path = f"/credits/organization/{self.id}"
        self._deployment = deployment

    def purchase(self, amount: int, **options: Any) -> requests.Response:
        return self.admin.post(f"{self.path}/purchase", {"amount": amount}, **options)

    def invite(self, person: Person, role: str = "member") -> requests.Response:
        return self.admin.post(f"/org/{self.id}/invite", {"email": person.email, "role": role})

    def allocate(self, person: Person, credits: int) -> requests.Response:
        return self.admin.post(f"{self.path}/allocate", {"user_email": person.email, "credits": credits})

    def member(self, allocated: int = 0) -> Person:
        person = self._deployment.person()
        assert self.invite(person).status_code == 201
        if allocated:
            assert self.allocate(person, allocated).status_code == 200
        return person

    def credits(self) -> dict[str, Any]:
        answer = self.admin.get(self.path)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


class Deployment:
    """The systems around Ops-Center, and the people created in them."""

    def __init__(self, target: dict[str, str]) -> None:
        self.target = target
        self.url = target["OPS_CENTER_URL"]
        self.redis = redis.Redis.from_url(target["REDIS_URL"], decode_responses=True, socket_timeout=60)
        self._db = psycopg2.connect(target["UNICORN_DB_URL"])
        self._db.autocommit = True
        self._keycloak = KeycloakAdmin(
            server_url=target["KEYCLOAK_URL"],
            realm_name=target["KEYCLOAK_REALM"],
            client_id=target["KEYCLOAK_CLIENT_ID"],
            client_secret_key=target["KEYCLOAK_CLIENT_SECRET"],
        )
        self._http = requests.Session()
        self._http.trust_env = False
        self._people: list[str] = []
        self.organizations: list[str] = []

    def sql(self, query: str, *parameters: object) -> list[dict[str, Any]]:
        with self._db.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
            cursor.execute(query, parameters)
            return [dict(row) for row in cursor.fetchall()] if cursor.description else []

    def person(self, credits: int = 0, tier: str | None = None, url: str = "", keycloak: str = "") -> Person:
        """Create a user; `url` and `keycloak` are for another Ops-Center and its Keycloak."""
        name = f"ops-{secrets.token_hex(6)}"
        email = f"{name}@example.com"
        account = {
            "username": name,
            "email": email,
            "firstName": "Test",
            "lastName": "Person",
            "enabled": True,
            "emailVerified": True,
            "requiredActions": [],
            "credentials": [{"type": "password", "value": PASSWORD, "temporary": False}],
        }
        user_id = str(self._keycloak.create_user(account))
        self._people.append(user_id)
        if credits:
            self.grant(user_id, credits)
        if tier:
            self.subscribe(user_id, tier)
        token = self._sign_in(name, keycloak or self.target["KEYCLOAK_URL"])
        return Person(url or self.url, user_id, email, token)

    def _sign_in(self, name: str, keycloak: str) -> dict[str, str]:
        answer = self._http.post(
            f"{keycloak}/realms/{self.target['KEYCLOAK_REALM']}/protocol/openid-connect/token",
            data={
                "grant_type": "password",
                "scope": "openid",
                "username": name,
                "password": PASSWORD,
                "client_id": self.target["KEYCLOAK_CLIENT_ID"],
                "client_secret": self.target["KEYCLOAK_CLIENT_SECRET"],
            },
            timeout=SECONDS,
        )
        assert answer.ok, answer.text
        return dict(answer.json())

    def grant(self, user_id: str, credits: int) -> None:
        self.sql(
            """WITH journal AS (INSERT INTO credit_transactions (id, user_id, amount, transaction_type)
                                VALUES (%s, %s, %s, 'grant'))
               INSERT INTO user_credits (user_id, credits_remaining, credits_allocated) VALUES (%s, %s, %s)
               ON CONFLICT (user_id) DO UPDATE
               SET credits_remaining = user_credits.credits_remaining + EXCLUDED.credits_remaining,
                   credits_allocated = user_credits.credits_allocated + EXCLUDED.credits_allocated""",
            str(uuid.uuid4()),
            user_id,
            credits,
            user_id,
            credits,
            credits,
        )

    def subscribe(self, user_id: str, tier: str) -> str:
        subscription = f"sub-{user_id}"
        body = {"external_customer_id": user_id, "plan_code": tier, "external_id": subscription}
        answer = self.lago("POST", "/subscriptions", json={"subscription": body})
        assert answer.ok, answer.text
        return subscription

    def lago(self, method: str, path: str, **options: Any) -> requests.Response:
        return self._http.request(
            method,
            f"{self.target['LAGO_API_URL']}/api/v1{path}",
            headers={"Authorization": f"Bearer {self.target['LAGO_API_KEY']}"},
            timeout=SECONDS,
            **options,
        )

    def provider(self, method: str, path: str, **options: Any) -> requests.Response:
        answer = self._http.request(
            method,
            f"{self.target['PROVIDER_URL']}/control{path}",
            headers={"Authorization": f"Bearer {self.target['PROVIDER_CONTROL_TOKEN']}"},
            timeout=SECONDS,
            **options,
        )
        assert answer.ok, answer.text
        return answer

    def provider_calls(self, person: Person) -> list[dict[str, Any]]:
        return list(self.provider("GET", "/calls", params={"caller": person.word}).json()["calls"])

    def trouble(self, person: Person, kind: str | None, seconds: float = 7) -> None:
        """Make or end a trouble; LiteLLM waits less than 7 s for a provider."""
        if kind is None:
            self.provider("DELETE", f"/troubles/{person.word}")
        else:
            self.provider("PUT", f"/troubles/{person.word}", json={"kind": kind, "seconds": seconds})

    def open_key(self, provider: str, key: str) -> str:
        fingerprint = hashlib.sha256(key.encode()).hexdigest()[:16]
        self.provider("PUT", f"/keys/{fingerprint}", json={"provider": provider, "key": key, "state": "good"})
        return fingerprint

    def usage_rows(self, person: Person) -> list[dict[str, Any]]:
        return self.sql("SELECT * FROM usage_tracking WHERE user_id = %s ORDER BY created_at", person.id)

    def charges(self, person: Person) -> list[int]:
        rows = self.sql(
            "SELECT amount FROM credit_transactions WHERE user_id = %s AND transaction_type = 'usage'",
            person.id,
        )
        return [-row["amount"] for row in rows]

    def place_calls(self, person: Person, count: int, when: str = "LOCALTIMESTAMP") -> None:
        """Insert earlier calls into the table, as if the counter were lost."""
        self.sql(
            f"""INSERT INTO usage_tracking (user_id, request_id, credits, byok, status, created_at, tokens)
                SELECT %s, gen_random_uuid(), 0, false, 200, {when}, 0
                FROM generate_series(1, %s)""",
            person.id,
            count,
        )

    def always_true(self) -> None:
        """Check the contract's "always true" lines for everyone created here."""
        for line, exceptions in ALWAYS_TRUE.items():
            ours = f"SELECT * FROM ({exceptions}) x WHERE whose = ANY(%s::uuid[])"
            assert self.sql(ours, self._people + self.organizations) == [], f"not always true: {line}"

    def at_once(self, works: list[Callable[[], Result]]) -> list[Result]:
        """Do all works at the same time, and return the results in their order."""
        with ThreadPoolExecutor(len(works)) as threads:
            return list(threads.map(lambda work: work(), works))

    def remove_everybody(self) -> None:
        for user_id in self._people:
            self._keycloak.delete_user(user_id)
        self.sql("DELETE FROM organizations WHERE id = ANY(%s::uuid[])", self.organizations)
        for table in ("user_credits", "usage_tracking", "user_byok_keys", "known_tiers", "idempotency_keys"):
            self.sql(f"DELETE FROM {table} WHERE user_id = ANY(%s::uuid[])", self._people)
        self.sql("DELETE FROM credit_transactions WHERE user_id = ANY(%s::uuid[])", self._people)
        self._db.close()


@pytest.fixture(scope="module")
def center(deployment: dict[str, str]) -> Iterator[Deployment]:
    """Return the deployment under test."""
    center = Deployment(deployment)
    yield center
    center.remove_everybody()


@pytest.fixture
def person(center: Deployment) -> Person:
    """Create a user with 1,000 own credits."""
    return center.person(1000)


@pytest.fixture(scope="module")
def bystander(center: Deployment) -> Person:
    """Create a user with 1,000 credits, for requests that are refused."""
    return center.person(1000)


@pytest.fixture
def organization(center: Deployment) -> Organization:
    """Create an organisation with 10,000 unallocated credits."""
    organization = Organization(center, center.person())
    assert organization.purchase(10_000).status_code == 201
    return organization


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool], str], None]:
    """Return a function that waits for a condition."""

    def wait(condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < deadline, f"not within {SECONDS} s: {what}"
            time.sleep(0.05)

    return wait


@pytest.fixture(scope="session")
def problem() -> Callable[[requests.Response, int, str], dict[str, Any]]:
    """Return a function that checks a problem and returns its body."""

    def check(answer: requests.Response, status: int, code: str) -> dict[str, Any]:
        body: dict[str, Any] = answer.json()
        assert (answer.status_code, body["code"]) == (status, code), answer.text
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert {"type", "title", "status", "detail", "code"} <= body.keys()
        assert body["status"] == status
        assert body["detail"].endswith(".")
        assert "Traceback" not in answer.text
        assert uuid.UUID(answer.headers["X-Request-Id"])
        return body

    return check


def events_of(answer: requests.Response) -> list[dict[str, Any] | str]:
    """Return the data events of a stream; the last one of a whole stream is [DONE]."""
    data = [line.removeprefix("data: ") for line in answer.text.split("\n") if line.startswith("data: ")]
    return [event if event == "[DONE]" else json.loads(event) for event in data]


@pytest.fixture(scope="session")
def events() -> Callable[[requests.Response], list[Any]]:
    """Return the function that reads a stream."""
    return events_of
