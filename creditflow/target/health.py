"""The health of the target's services: the address, state and version of each, or what to try next.

Checked before each run (plan items X3 and X4) and by `make doctor`.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from creditflow.core.errors import NotTestableError, ServiceUnavailableError
from creditflow.core.polling import PAUSE
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
    """The health of one service.

    Attributes:
        state: `up`, `down`, or `not named` if no setting names it.
        message: its version, or one sentence about what is wrong and what to try next.
    """

    service: str
    address: str
    state: str
    message: str


def services(target: Target) -> list[Health]:
    """Return the health of all services, checked side by side, so that several missing ones cost only one deadline."""
    checks = _checks(target)
    with ThreadPoolExecutor(len(checks)) as pool:
        return list(pool.map(lambda item: _look(*item), checks))


def await_up(target: Target, service: str, seconds: float) -> None:
    """Wait until a service answers again; do nothing for one that no setting names.

    Raises:
        ServiceUnavailableError: it does not answer in time.
    """
    check = {name.lower(): check for name, check, _ in _checks(target)}[service.lower().removeprefix("the ")]
    again = Retrying(
        stop=stop_after_delay(seconds),
        wait=wait_fixed(PAUSE),
        retry=retry_if_exception_type(ServiceUnavailableError),
        reraise=True,
    )
    with suppress(NotTestableError):
        again(check)


def _checks(target: Target) -> list[tuple[str, Callable[[], tuple[str, str]], str]]:
    """Return each service with its check, which returns address and version, and the setting that names it."""
    return [
        ("Ops-Center", lambda: _ops_center(target), "OPS_CENTER_URL"),
        ("Keycloak", lambda: _keycloak(target), "KEYCLOAK_URL"),
        ("PostgreSQL", lambda: _postgresql(target), "UNICORN_DB_URL"),
        ("Redis", lambda: (target.counters.address, target.counters.version()), "REDIS_URL"),
        ("Lago", lambda: _lago(target), "LAGO_API_URL"),
        ("LiteLLM", lambda: _litellm(target), "LITELLM_URL"),
        ("Provider", lambda: _provider(target), "PROVIDER_URL"),
    ]


def proxy(settings: Settings) -> str:
    """Return a sentence or two about the proxies and the services that use them; empty if no proxy is set.

    Raises:
        CannotRunError: the environment names no usable proxy.
    """
    named = {
        "Ops-Center": settings.ops_center_url,
        "Keycloak": settings.keycloak_url,
        "Lago": settings.lago_api_url,
        "LiteLLM": settings.litellm_url,
        "Provider": settings.provider_url,
    }
    return proxies.summary({service: url for service, url in named.items() if url})


def tables(target: Target) -> list[str]:
    """Return one sentence for each table or right that the checks or the writes of the suite need and lack."""
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
    """Return the sentence that explains why the suite could not grant credits or remove rows, if it can't."""
    writing = target.grants.database
    if not set(UNICORN_TABLES) <= set(writing.columns()):
        return [
            f"UNICORN_DB_URL names the database {writing.address}, which is not the unicorn_db of the checks: "
            f"name the same database as in UNICORN_DB_READ_URL"
        ]
    if not writing.can_write(list(UNICORN_TABLES)):
        return [
            f"the role of UNICORN_DB_URL may not write at {writing.address}, so the suite can't grant credits or "
            f"remove its rows: name a role that may insert and delete"
        ]
    return []


def _look(service: str, check: Callable[[], tuple[str, str]], setting: str) -> Health:
    try:
        address, version = check()
    except NotTestableError:
        return Health(service, "", "not named", f"set {setting}")
    except ServiceUnavailableError as away:
        return Health(service, away.address, "down", str(away))
    return Health(service, address, "up", version)


def _missing(database: str, wanted: dict[str, str], found: dict[str, set[str]], hint: str) -> list[str]:
    if not set(wanted) & set(found):
        return [f"{database} is up but has none of the tables {', '.join(wanted)}: {hint}"]
    sentences = []
    for table, columns in wanted.items():
        if table not in found:
            sentences.append(f"{database} has no table {table}: {hint}")
        elif lacking := [c for c in columns.split() if c not in found[table]]:
            sentences.append(f"the table {table} of {database} lacks {', '.join(lacking)}: {hint}")
    return sentences


def _ops_center(target: Target) -> tuple[str, str]:
    http = target.ops_center.http
    reply = target.ops_center.status()
    services = reply.body.get("services")
    if reply.status in (404, 405, 501) and _asks_for_a_token(http):
        return http.url, f"does not report the state of its services ({reply.status} at {BASE}/system/status)"
    if reply.status != 200 or not isinstance(services, dict):
        place, kind = reply.headers.get("Location"), reply.headers.get("Content-Type", "").partition(";")[0]
        how = f" with {kind}" if "html" in kind else ""
        if place:
            how = f" and redirects to {urlsplit(place).netloc or 'another path'}"
        what = f"answered {reply.status}{how} when asked for its status, not as Ops-Center does"
        cure = "check that OPS_CENTER_URL is the address of Ops-Center, with any path before /api/v1"
        cure = "" if reply.status >= 500 else cure
        raise ServiceUnavailableError("Ops-Center", http.url, what, cure)
    down = [name for name, state in services.items() if state != "up"]
    return http.url, f"reports {', '.join(down)} down" if down else str(
        reply.body.get("version", "all its services up")
    )


def _asks_for_a_token(http: Http) -> bool:
    """Return whether EP1 exists; the status endpoint is not in the plan, and may be missing."""
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
        raise ServiceUnavailableError("LiteLLM", http.url, "reports that it is not ready")
    if not target.litellm.models():
        raise ServiceUnavailableError(
            "LiteLLM", http.url, "lists no model", "correct LITELLM_MASTER_KEY or its configuration"
        )
    return http.url, target.litellm.version() or "alive"


def _provider(target: Target) -> tuple[str, str]:
    target.provider.check()
    return target.provider.http.url, "a stand-in that keeps a journal"
