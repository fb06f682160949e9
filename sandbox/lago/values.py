"""The format of values in Lago's JSON: times, decimals, enums, fields of a request.

Inside the stand-in every time is UTC without a time zone, as in Lago's columns (`timestamp without time zone`).
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sandbox import clock

from .errors import VALUE_IS_INVALID, VALUE_IS_MANDATORY, FieldErrors

_CURRENCY = re.compile(r"[A-Z]{3}")


def utc_now() -> datetime:
    """Return the present time, in UTC without a time zone."""
    return clock.now().replace(tzinfo=None)


def iso(moment: datetime | None) -> str | None:
    """Return a time to the second, such as `2026-08-12T09:30:00Z`."""
    return None if moment is None else moment.isoformat(timespec="seconds") + "Z"


def iso_ms(moment: datetime | None) -> str | None:
    """Return a time to the millisecond, such as `2026-08-12T09:30:00.250Z`."""
    return None if moment is None else moment.isoformat(timespec="milliseconds") + "Z"


def iso_date(day: date | None) -> str | None:
    """Return a day, such as `2026-08-12`."""
    return None if day is None else day.isoformat()


def midnight(day: date) -> datetime:
    """Return the first moment of a day."""
    return datetime(day.year, day.month, day.day)  # noqa: DTZ001 - UTC without a time zone, as everywhere here


def last_second(day: date) -> datetime:
    """Return the last whole second of a day, which is the end of a billing period in Lago."""
    return midnight(day) + timedelta(days=1, seconds=-1)


def decimal_text(value: Decimal) -> str:
    """Return a decimal as Lago writes one: no exponent, at least one digit after the point (`10.0`, `0.25`)."""
    text = f"{value.normalize():f}"
    return text if "." in text else f"{text}.0"


def text(params: Mapping[str, Any], name: str) -> str | None:
    """Return a field as stripped text; None when it is absent, null or blank."""
    value = params.get(name)
    if value is None:
        return None
    return str(value).strip() or None


def mandatory_text(params: Mapping[str, Any], name: str, errors: FieldErrors) -> str:
    """Return a field that must not be blank; add the error `value_is_mandatory` if it is."""
    value = text(params, name)
    if value is None:
        errors.add(name, VALUE_IS_MANDATORY)
    return value or ""


def choice(name: str, value: str | None, options: Sequence[str], errors: FieldErrors) -> int | None:
    """Return the integer of an enum's name, None for an absent value; add the error `value_is_invalid`."""
    if value is None:
        return None
    if value not in options:
        errors.add(name, VALUE_IS_INVALID)
        return None
    return options.index(value)


def currency(params: Mapping[str, Any], name: str, errors: FieldErrors) -> str | None:
    """Return a currency code (three capitals), None when absent; add the error `value_is_invalid`."""
    value = text(params, name)
    if value is not None and not _CURRENCY.fullmatch(value):
        errors.add(name, VALUE_IS_INVALID)
    return value


def whole_number(params: Mapping[str, Any], name: str, errors: FieldErrors) -> int | None:
    """Return a whole number from 0, sent as a number or as digits; None when absent.

    Adds the error `value_is_invalid`.
    """
    value = params.get(name)
    if value is None:
        return None
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        errors.add(name, VALUE_IS_INVALID)
        return None
    return value
