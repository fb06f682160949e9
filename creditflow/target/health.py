"""How the target's services are: each with its address, whether it is up, its version, and what to try next.

Asked before every run (plan items X3 and X4) and by `make doctor`.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

from creditflow.core.errors import NotTestableError, ServiceUnavailableError
from creditflow.target.drivers import proxies
from creditflow.target.drivers.http import Http
from creditflow.target.drivers.ops_center import BASE, ENDPOINTS
from creditflow.target.settings import Settings
from creditflow.target.target import Target

UNICORN_TABLES = {
    "organizations": "id name subscription_tier created_at",
    "organization_credits": "org_id total_credits allocated_credits updated_at",
    "organization_members": "id org_id user_email role allocated_credits used_credits joined_at",
    "credit_transactions": "id user_id org_id amount transaction_type description request_id created_at",
    "user_credits": "user_id credits_remaining credits_allocated tier updated_at",
    "usage_tracking": "id user_id org_id request_id endpoint model tokens credits byok status created_at",
    "user_byok_keys": "id user_id provider encrypted_key key_preview created_at",
}
"""The tables that the checks read (plan, Appendix B; contract, "Tables of unicorn_db"), with their columns."""

LAGO_TABLES = {
    "customers": "id external_id deleted_at created_at",
    "subscriptions": "id customer_id plan_id external_id status created_at",
    "invoices": "id customer_id status invoice_type total_amount_cents created_at",
    "plans": "id code",
}


@dataclass(frozen=True)
class Health:
    """One service as it was found.

    Attributes:
        state: `up`, `down`, or `not named` where no setting says where it is.
        says: its version, or in one sentence what is wrong and what to try next.
    """

    service: str
    address: str
    state: str
    says: str


def services(target: Target) -> list[Health]:
    """Ask every service of the target at once how it is; one that is not there costs one deadline, not seven."""
    asked: list[tuple[str, Callable[[], tuple[str, str]], str]] = [
        ("Ops-Center", lambda: _ops_center(target), "OPS_CENTER_URL"),
        ("Keycloak", lambda: _keycloak(target), "KEYCLOAK_URL"),
        ("PostgreSQL", lambda: _postgresql(target), "UNICORN_DB_URL"),
        ("Redis", lambda: (target.counters.address, target.counters.version()), "REDIS_URL"),
        ("Lago", lambda: _lago(target), "LAGO_API_URL"),
        ("LiteLLM", lambda: _litellm(target), "LITELLM_URL"),
        ("Provider", lambda: _provider(target), "PROVIDER_URL"),
    ]
    with ThreadPoolExecutor(len(asked)) as pool:
        return list(pool.map(lambda item: _look(*item), asked))


def proxy(settings: Settings) -> str:
    """What is to be said of a proxy that is set, and for which services it is used; empty without one.

    Raises:
        CannotRunError: it can't be used.
    """
    named = {
        "Ops-Center": settings.ops_center_url,
        "Keycloak": settings.keycloak_url,
        "Lago": settings.lago_api_url,
        "LiteLLM": settings.litellm_url,
        "Provider": settings.provider_url,
    }
    return proxies.told({service: url for service, url in named.items() if url})


def tables(target: Target) -> list[str]:
    """What is missing of the tables that the checks read and the suite writes, a sentence each."""
    missing = []
    if target.has("UNICORN_DB_URL"):
        found = target.unicorn.database.columns()
        missing += _missing("unicorn_db", UNICORN_TABLES, found, "has Ops-Center created them?")
        missing += [] if missing else _unwritable(target)
    if target.has("LAGO_DB_READ_URL"):
        found = target.lago_db.database.columns()
        missing += _missing("lago", LAGO_TABLES, found, "has Lago migrated its database?")
    return missing


def _unwritable(target: Target) -> list[str]:
    """Why the suite could not grant credits or remove its rows, before it makes anything."""
    writing = target.grants.database
    if not set(UNICORN_TABLES) <= set(writing.columns()):
        return [
            f"UNICORN_DB_URL names the database {writing.address}, which is not the unicorn_db of the checks: "
            f"name the same database there as in UNICORN_DB_READ_URL"
        ]
    if not writing.writes(list(UNICORN_TABLES)):
        return [
            f"the role of UNICORN_DB_URL may not write at {writing.address}, so that credits can't be granted and "
            f"rows not be removed: name a role that may insert and delete"
        ]
    return []


def _look(service: str, ask: Callable[[], tuple[str, str]], setting: str) -> Health:
    try:
        address, version = ask()
    except NotTestableError:
        return Health(service, "", "not named", f"set {setting}")
    except ServiceUnavailableError as away:
        return Health(service, away.address, "down", str(away))
    return Health(service, address, "up", version)


def _missing(database: str, wanted: dict[str, str], found: dict[str, set[str]], ask: str) -> list[str]:
    if not set(wanted) & set(found):
        return [f"{database} is up but empty, none of the tables {', '.join(wanted)} is there: {ask}"]
    sentences = []
    for table, columns in wanted.items():
        if table not in found:
            sentences.append(f"{database} has no table {table}: {ask}")
        elif lacking := [c for c in columns.split() if c not in found[table]]:
            sentences.append(f"the table {table} of {database} lacks {', '.join(lacking)}: {ask}")
    return sentences


def _ops_center(target: Target) -> tuple[str, str]:
    http = target.ops_center.http
    reply = target.ops_center.status()
    services = reply.body.get("services")
    if reply.status in (404, 405, 501) and _asks_for_a_token(http):
        return http.url, f"does not say how its services are ({reply.status} at {BASE}/system/status)"
    if reply.status != 200 or not isinstance(services, dict):
        place, kind = reply.headers.get("Location"), reply.headers.get("Content-Type", "").partition(";")[0]
        how = (
            f" and leads to {urlsplit(place).netloc or 'another path'}" if place else f" with {kind}" * ("html" in kind)
        )
        what = f"answered {reply.status}{how} when asked for its status, not as Ops-Center does"
        cure = (
            "" if reply.status >= 500 else "see that OPS_CENTER_URL names Ops-Center, with what stands before /api/v1"
        )
        raise ServiceUnavailableError("Ops-Center", http.url, what, cure)
    down = [name for name, state in services.items() if state != "up"]
    return http.url, f"reports {', '.join(down)} down" if down else str(
        reply.body.get("version", "all its services up")
    )


def _asks_for_a_token(http: Http) -> bool:
    """Whether the plan's first endpoint is there; that of the status is not the plan's, and may be missing."""
    reply = http.send("GET", BASE + ENDPOINTS["EP1"][1])
    return reply.status == 401 and reply.headers.get("WWW-Authenticate", "").startswith("Bearer")


def _keycloak(target: Target) -> tuple[str, str]:
    target.keycloak.check()
    return target.keycloak.url, f"realm {target.keycloak.realm}, client {target.keycloak.client}"


def _postgresql(target: Target) -> tuple[str, str]:
    database = target.unicorn.database
    version = database.rows("SHOW server_version")[0]["server_version"]
    if target.has("LAGO_DB_READ_URL"):
        target.lago_db.database.rows("SELECT 1")
    return database.address, str(version)


def _lago(target: Target) -> tuple[str, str]:
    target.lago.check()
    return target.lago.url, target.lago.version()


def _litellm(target: Target) -> tuple[str, str]:
    http = target.litellm.http
    if not target.litellm.alive():
        raise ServiceUnavailableError("LiteLLM", http.url, "says that it is not ready")
    if not target.litellm.models():
        raise ServiceUnavailableError(
            "LiteLLM", http.url, "lists no model", "correct LITELLM_MASTER_KEY or its configuration"
        )
    return http.url, target.litellm.version() or "alive"


def _provider(target: Target) -> tuple[str, str]:
    target.provider.check()
    return target.provider.http.url, "a stand-in that keeps a journal"
