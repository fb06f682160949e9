"""Wallets: prepaid credits of a customer. Amounts of credits are decimals, written as strings."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, LiteralString
from uuid import UUID

from fastapi import Request
from starlette.responses import JSONResponse, Response

from . import billing, customers, jobs
from .context import lago, root_of, uuid_of
from .database import Connection, Row
from .errors import (
    CURRENCIES_DOES_NOT_MATCH,
    VALUE_IS_INVALID,
    VALUE_IS_MANDATORY,
    FieldErrors,
    invalid,
    not_found,
)
from .paging import Page
from .routing import make_router
from .values import credit_amount, currency, decimal_text, iso, moment, text

STATUSES = ("active", "terminated")
TRANSACTION_STATES = ("pending", "settled", "failed")
SOURCES = ("manual", "interval", "threshold")
TRANSACTION_STATUSES = ("purchased", "granted", "voided", "invoiced")
TRANSACTION_TYPES = ("inbound", "outbound")
_PENDING, _SETTLED, _ = range(3)
_PURCHASED, _GRANTED, _VOIDED, _ = range(4)
_INBOUND, _OUTBOUND = range(2)

FIRST_CREDITS = "first_credits"

_SHOWN: LiteralString = (
    "select w.*, c.external_id as external_customer_id from wallets w join customers c on c.id ="
    " w.customer_id"
    " where w.organization_id = %(organization)s"
)

router = make_router()


@router.post("/wallets")
async def create(request: Request) -> Response:
    """Make a wallet; its first credits are put in by a job, so the answer still shows a balance of 0."""
    params = await root_of(request, "wallet")
    errors = FieldErrors()
    mandatory = {name: text(params, name) for name in ("external_customer_id", "rate_amount")}
    for name, value in mandatory.items():
        if value is None:
            errors.add(name, VALUE_IS_MANDATORY)
    rate = credit_amount({"rate_amount": mandatory["rate_amount"]}, "rate_amount", errors)
    paid = credit_amount(params, "paid_credits", errors) or Decimal(0)
    granted = credit_amount(params, "granted_credits", errors) or Decimal(0)
    if rate == 0:
        errors.add("rate_amount", VALUE_IS_INVALID)
    code = currency(params, "currency", errors)
    expiration_at = moment(params, "expiration_at", errors)
    errors.raise_if_any()
    async with lago(request).pool.connection() as connection:
        async with connection.transaction():
            customer = await _customer(connection, request, mandatory["external_customer_id"] or "")
            code = code or customer["currency"]
            if code is None:
                raise invalid(currency=VALUE_IS_MANDATORY)
            if customer["currency"] not in (None, code):
                raise invalid(currency=CURRENCIES_DOES_NOT_MATCH)
            await customers.set_currency(connection, customer["id"], code)
            cursor = await connection.execute(
                "insert into wallets (organization_id, customer_id, name, code, currency,"
                " rate_amount, expiration_at)"
                " values (%s, %s, %s, %s, %s, %s, %s) returning id",
                (
                    lago(request).organization,
                    customer["id"],
                    text(params, "name"),
                    text(params, "code"),
                    code,
                    rate,
                    expiration_at,
                ),
            )
            wallet = await cursor.fetchone()
            if wallet is None:
                raise RuntimeError("PostgreSQL returned no row for a wallet that was just inserted.")
            if paid or granted:
                payload = {"wallet_id": str(wallet["id"]), "paid": str(paid), "granted": str(granted)}
                await lago(request).jobs.put(connection, FIRST_CREDITS, payload)
        return await _answer(request, connection, wallet["id"])


@router.get("/wallets")
async def index(request: Request) -> Response:
    """The wallets, newest first, of the customer in `external_customer_id` if named."""
    return await list_for(request, request.query_params.get("external_customer_id"))


@router.get("/wallets/{lago_id:undotted}")
async def show(request: Request) -> Response:
    """One wallet, by its `lago_id`."""
    async with lago(request).pool.connection() as connection:
        return await _answer(request, connection, _path_id(request))


@router.put("/wallets/{lago_id:undotted}")
async def update(request: Request) -> Response:
    """Change a wallet's name or expiry."""
    params = await root_of(request, "wallet")
    errors = FieldErrors()
    expiration_at = moment(params, "expiration_at", errors)
    errors.raise_if_any()
    async with lago(request).pool.connection() as connection:
        await connection.execute(
            "update wallets set name = coalesce(%s, name), expiration_at = coalesce(%s, expiration_at),"
            " updated_at = now() where id = %s and organization_id = %s",
            (text(params, "name"), expiration_at, _path_id(request), lago(request).organization),
        )
        return await _answer(request, connection, _path_id(request))


@router.delete("/wallets/{lago_id:undotted}")
async def destroy(request: Request) -> Response:
    """Terminate a wallet; a terminated one stays as it is."""
    async with lago(request).pool.connection() as connection:
        await connection.execute(
            "update wallets set status = 1, terminated_at = now(), updated_at = now()"
            " where id = %s and organization_id = %s and status = 0",
            (_path_id(request), lago(request).organization),
        )
        return await _answer(request, connection, _path_id(request))


@router.get("/wallets/{lago_id:undotted}/wallet_transactions")
async def transactions(request: Request) -> Response:
    """A wallet's transactions, newest first."""
    async with lago(request).pool.connection() as connection:
        wallet = await _find(request, connection, _path_id(request))
        rows, meta = await Page.of(request).select(
            connection,
            "select * from wallet_transactions where wallet_id = %(wallet)s",
            {"wallet": wallet["id"]},
        )
    return JSONResponse({"wallet_transactions": [_transaction_to_json(row) for row in rows], "meta": meta})


@router.post("/wallet_transactions")
async def top_up(request: Request) -> Response:
    """Buy, grant or void credits at once; answers with every transaction that this makes."""
    params = await root_of(request, "wallet_transaction")
    errors = FieldErrors()
    paid = credit_amount(params, "paid_credits", errors) or Decimal(0)
    granted = credit_amount(params, "granted_credits", errors) or Decimal(0)
    voided = credit_amount(params, "voided_credits", errors) or Decimal(0)
    errors.raise_if_any()
    async with lago(request).pool.connection() as connection, connection.transaction():
        wallet = await _lock(connection, uuid_of(text(params, "wallet_id") or "", "wallet"))
        if STATUSES[wallet["status"]] == "terminated":
            raise invalid(wallet_id="wallet_is_terminated")
        if voided > wallet["credits_balance"]:
            raise invalid(voided_credits="insufficient_credits")
        name = text(params, "name")
        made = [
            await _book(connection, wallet, credits, kind, name)
            for credits, kind in ((paid, _PURCHASE), (granted, _GRANT), (voided, _VOID))
            if credits
        ]
    return JSONResponse({"wallet_transactions": [_transaction_to_json(row) for row in made]})


async def put_first_credits(connection: Connection, payload: dict[str, Any]) -> None:
    """Job: put in the credits that a wallet was made with."""
    wallet = await _lock(connection, UUID(payload["wallet_id"]))
    for credits, kind in ((Decimal(payload["paid"]), _PURCHASE), (Decimal(payload["granted"]), _GRANT)):
        if credits:
            await _book(connection, wallet, credits, kind, None)


JOBS: dict[str, jobs.Handler] = {FIRST_CREDITS: put_first_credits}


@dataclass(frozen=True)
class _Kind:
    """A kind of transaction: its enum values, and how it moves the balance (+1, -1, or 0 for not yet)."""

    state: int
    status: int
    direction: int
    sign: int


_PURCHASE = _Kind(_PENDING, _PURCHASED, _INBOUND, 0)  # counts once its invoice is paid, and nobody pays it here
_GRANT = _Kind(_SETTLED, _GRANTED, _INBOUND, 1)
_VOID = _Kind(_SETTLED, _VOIDED, _OUTBOUND, -1)


async def _book(connection: Connection, wallet: Row, credits: Decimal, kind: _Kind, name: str | None) -> Row:
    """Write one transaction and move the balance of the wallet, which is locked."""
    amount = credits * wallet["rate_amount"]
    cursor = await connection.execute(
        "insert into wallet_transactions (organization_id, wallet_id, status, transaction_status,"
        " transaction_type,"
        " amount, credit_amount, name, settled_at) values (%(organization)s, %(wallet)s, %(state)s,"
        " %(status)s,"
        " %(direction)s, %(amount)s, %(credits)s, %(name)s, case when %(state)s = 1 then now() end)"
        " returning *",
        {
            "organization": wallet["organization_id"],
            "wallet": wallet["id"],
            "state": kind.state,
            "status": kind.status,
            "direction": kind.direction,
            "amount": amount,
            "credits": credits,
            "name": name,
        },
    )
    transaction = await cursor.fetchone()
    if transaction is None:
        raise RuntimeError("PostgreSQL returned no row for a wallet transaction that was just inserted.")
    if kind.sign:
        await connection.execute(
            "update wallets set credits_balance = credits_balance + %(credits)s, updated_at = now(),"
            " balance_cents = round((credits_balance + %(credits)s) * rate_amount * 100) where id ="
            " %(wallet)s",
            {"credits": kind.sign * credits, "wallet": wallet["id"]},
        )
    else:
        cents = int((amount * 100).to_integral_value(ROUND_HALF_UP))
        await billing.make_credit_invoice(connection, wallet["customer_id"], cents, wallet["currency"])
    return transaction


async def list_for(request: Request, external_customer_id: str | None) -> Response:
    """A page of wallets, of one customer if named."""
    query: LiteralString = _SHOWN
    params: dict[str, Any] = {"organization": lago(request).organization}
    if external_customer_id is not None:
        query += " and c.external_id = %(external_customer_id)s and c.deleted_at is null"
        params["external_customer_id"] = external_customer_id
    async with lago(request).pool.connection() as connection:
        rows, meta = await Page.of(request).select(connection, query, params)
    return JSONResponse({"wallets": [to_json(row) for row in rows], "meta": meta})


def _path_id(request: Request) -> UUID:
    return uuid_of(request.path_params["lago_id"], "wallet")


async def _customer(connection: Connection, request: Request, external_id: str) -> Row:
    """The customer of a new wallet; here Lago answers 422 and not 404 for an unknown one."""
    cursor = await connection.execute(
        "select * from customers where organization_id = %s and external_id = %s and deleted_at is null for update",
        (lago(request).organization, external_id),
    )
    customer = await cursor.fetchone()
    if customer is None:
        raise invalid(customer="customer_not_found")
    return customer


async def _find(request: Request, connection: Connection, wallet_id: UUID) -> Row:
    cursor = await connection.execute(
        f"{_SHOWN} and w.id = %(id)s", {"organization": lago(request).organization, "id": wallet_id}
    )
    wallet = await cursor.fetchone()
    if wallet is None:
        raise not_found("wallet")
    return wallet


async def _lock(connection: Connection, wallet_id: UUID) -> Row:
    cursor = await connection.execute("select * from wallets where id = %s for update", (wallet_id,))
    wallet = await cursor.fetchone()
    if wallet is None:
        raise not_found("wallet")
    return wallet


async def _answer(request: Request, connection: Connection, wallet_id: UUID) -> Response:
    return JSONResponse({"wallet": to_json(await _find(request, connection, wallet_id))})


def to_json(row: Row) -> dict[str, Any]:
    """A wallet as the API shows one. No usage is drawn from it, so its ongoing balance is its balance."""
    return {
        "lago_id": str(row["id"]),
        "lago_customer_id": str(row["customer_id"]),
        "external_customer_id": row["external_customer_id"],
        "status": STATUSES[row["status"]],
        "currency": row["currency"],
        "name": row["name"],
        "code": row["code"],
        "rate_amount": decimal_text(row["rate_amount"]),
        "credits_balance": decimal_text(row["credits_balance"]),
        "balance_cents": row["balance_cents"],
        "consumed_credits": decimal_text(row["consumed_credits"]),
        "credits_ongoing_balance": decimal_text(row["credits_balance"]),
        "credits_ongoing_usage_balance": "0.0",
        "ongoing_balance_cents": row["balance_cents"],
        "ongoing_usage_balance_cents": 0,
        "created_at": iso(row["created_at"]),
        "expiration_at": iso(row["expiration_at"]),
        "last_balance_sync_at": None,
        "last_consumed_credit_at": None,
        "terminated_at": iso(row["terminated_at"]),
        "recurring_transaction_rules": [],
    }


def _transaction_to_json(row: Row) -> dict[str, Any]:
    return {
        "lago_id": str(row["id"]),
        "lago_wallet_id": str(row["wallet_id"]),
        "status": TRANSACTION_STATES[row["status"]],
        "source": SOURCES[row["source"]],
        "transaction_status": TRANSACTION_STATUSES[row["transaction_status"]],
        "transaction_type": TRANSACTION_TYPES[row["transaction_type"]],
        "amount": decimal_text(row["amount"]),
        "credit_amount": decimal_text(row["credit_amount"]),
        "name": row["name"],
        "settled_at": iso(row["settled_at"]),
        "created_at": iso(row["created_at"]),
    }
