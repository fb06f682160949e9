"""How values look in Lago's JSON and are read from it: times, decimals, enums, fields of a request.

Inside the stand-in every time is naive UTC, as in Lago's columns (`timestamp without time zone`).
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from .errors import INVALID_DATE, VALUE_IS_INVALID, VALUE_IS_MANDATORY, FieldErrors

_CURRENCY = re.compile(r"[A-Z]{3}")
_LARGEST_CREDIT_AMOUNT = Decimal(10) ** 25


def utc_now() -> datetime:
    """Now, in UTC without a time zone."""
    return datetime.now(UTC).replace(tzinfo=None)


def iso(moment: datetime | None) -> str | None:
    """A time to the second, such as `2026-08-12T09:30:00Z`."""
    return None if moment is None else moment.isoformat(timespec="seconds") + "Z"


def iso_ms(moment: datetime | None) -> str | None:
    """A time to the millisecond, such as `2026-08-12T09:30:00.250Z`."""
    return None if moment is None else moment.isoformat(timespec="milliseconds") + "Z"


def iso_date(day: date | None) -> str | None:
    """A day, such as `2026-08-12`."""
    return None if day is None else day.isoformat()


def midnight(day: date) -> datetime:
    """The first moment of a day."""
    return datetime(day.year, day.month, day.day)  # noqa: DTZ001 - naive UTC, as the module says


def last_second(day: date) -> datetime:
    """The last whole second of a day, where Lago lets a billing period end."""
    return midnight(day) + timedelta(days=1, seconds=-1)


def decimal_text(value: Decimal) -> str:
    """A decimal as Lago writes one: no exponent, at least one digit after the point (`10.0`, `0.25`)."""
    text = f"{value.normalize():f}"
    return text if "." in text else f"{text}.0"


def text(params: Mapping[str, Any], name: str) -> str | None:
    """A field as stripped text; None when it is absent, null or blank."""
    value = params.get(name)
    if value is None:
        return None
    return str(value).strip() or None


def mandatory_text(params: Mapping[str, Any], name: str, errors: FieldErrors) -> str:
    """A field that must not be blank; notes `value_is_mandatory`."""
    value = text(params, name)
    if value is None:
        errors.add(name, VALUE_IS_MANDATORY)
    return value or ""


def choice(name: str, value: str | None, options: Sequence[str], errors: FieldErrors) -> int | None:
    """The integer of an enum's name; None for an absent value; notes `value_is_invalid`."""
    if value is None:
        return None
    if value not in options:
        errors.add(name, VALUE_IS_INVALID)
        return None
    return options.index(value)


def currency(params: Mapping[str, Any], name: str, errors: FieldErrors) -> str | None:
    """A currency code (three capitals); None when absent; notes `value_is_invalid`."""
    value = text(params, name)
    if value is not None and not _CURRENCY.fullmatch(value):
        errors.add(name, VALUE_IS_INVALID)
    return value


def moment(params: Mapping[str, Any], name: str, errors: FieldErrors) -> datetime | None:
    """An ISO 8601 time as naive UTC; a time without a zone is UTC; notes `invalid_date`."""
    value = text(params, name)
    if value is None:
        return None
    try:
        parsed = datetime.fromisoformat(value)
        return parsed.astimezone(UTC).replace(tzinfo=None) if parsed.tzinfo else parsed
    except (ValueError, OverflowError):
        errors.add(name, INVALID_DATE)
        return None


def whole_number(params: Mapping[str, Any], name: str, errors: FieldErrors) -> int | None:
    """A whole number from 0, given as a number or as digits; None when absent; notes `value_is_invalid`."""
    value = params.get(name)
    if value is None:
        return None
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        errors.add(name, VALUE_IS_INVALID)
        return None
    return value


def credit_amount(params: Mapping[str, Any], name: str, errors: FieldErrors) -> Decimal | None:
    """A decimal from 0, given as a string as Lago demands; None when absent.

    Notes Lago's pair of codes, `invalid_<field>` and `invalid_amount`.
    """
    value = params.get(name)
    if value is None:
        return None
    try:
        amount = Decimal(value) if isinstance(value, str) else Decimal("NaN")
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or not 0 <= amount < _LARGEST_CREDIT_AMOUNT:
        errors.add(name, f"invalid_{name}")
        errors.add(name, "invalid_amount")
        return None
    return amount
