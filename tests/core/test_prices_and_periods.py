"""The cost of a request by the feature's prices, and the beginning and end of a quota period."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditflow.core import period, prices
from creditflow.core.prices import MODELS, PriceList

PLAN = {"GPT-3.5-turbo": 9, "GPT-4": 48, "GPT-4-turbo": 24, "Claude-3-Sonnet": 15}


@pytest.mark.parametrize(("model", "credits"), PLAN.items())
def test_a_hundred_tokens_cost_what_the_list_says(model: str, credits: int) -> None:
    assert PriceList(PLAN).charge(model, 100) == credits


def test_a_feature_that_states_no_prices_goes_by_the_plans() -> None:
    assert prices.PLAN == PLAN


@pytest.mark.parametrize(
    ("model", "tokens", "credits"),
    [
        ("GPT-3.5-turbo", 49, 4),
        ("GPT-3.5-turbo", 61, 5),
        ("GPT-3.5-turbo", 50, 5),
        ("Claude-3-Sonnet", 9, 1),
        ("Claude-3-Sonnet", 10, 2),
        ("GPT-4", 12_345, 5_926),
        ("GPT-3.5-turbo", 1, 1),
        ("GPT-3.5-turbo", 0, 1),
    ],
)
def test_half_a_credit_rounds_up_and_no_request_is_free(model: str, tokens: int, credits: int) -> None:
    assert PriceList(PLAN).charge(model, tokens) == credits


@given(price=st.integers(0, 100_000), tokens=st.integers(0, 10_000_000))
def test_a_charge_is_the_exact_fraction_rounded_half_up_and_at_least_one(price: int, tokens: int) -> None:
    charge = PriceList({"GPT-4": price}).charge("GPT-4", tokens)
    exact = Fraction(price * tokens, 100)
    assert type(charge) is int
    assert charge == 1 or -Fraction(1, 2) < exact - charge < Fraction(1, 2) or charge - exact == Fraction(1, 2)
    assert charge >= 1
    if charge == 1:
        assert exact < Fraction(3, 2)


@given(price=st.integers(1, 1000), tokens=st.integers(1, 100_000), more=st.integers(0, 1000))
def test_more_tokens_never_cost_less(price: int, tokens: int, more: int) -> None:
    priced = PriceList({"GPT-4": price})
    assert priced.charge("GPT-4", tokens) <= priced.charge("GPT-4", tokens + more)


def test_a_model_that_the_plan_does_not_know_has_no_price() -> None:
    with pytest.raises(ValueError, match="names GPT-5; the plan knows GPT-3"):
        PriceList({"GPT-5": 1})
    with pytest.raises(KeyError):
        PriceList({"GPT-4": 48}).charge("GPT-4-turbo", 100)
    assert set(MODELS) == set(PLAN)


def test_a_list_is_not_changed_from_outside() -> None:
    stated = {"GPT-4": 48}
    priced = PriceList(stated)
    stated["GPT-4"] = 1
    assert priced.charge("GPT-4", 100) == 48


@pytest.mark.parametrize(
    ("moment", "name", "reset"),
    [
        ("2026-12-31T23:59:59.999999+00:00", "2026-12", "2027-01-01T00:00:00+00:00"),
        ("2026-12-01T00:00:00+00:00", "2026-12", "2027-01-01T00:00:00+00:00"),
        ("2027-12-01T00:00:00+00:00", "2027-12", "2028-01-01T00:00:00+00:00"),
        ("2028-02-29T12:00:00+00:00", "2028-02", "2028-03-01T00:00:00+00:00"),
        ("2027-02-28T23:00:00+00:00", "2027-02", "2027-03-01T00:00:00+00:00"),
        ("2026-01-31T00:00:00+00:00", "2026-01", "2026-02-01T00:00:00+00:00"),
        ("2026-11-30T23:59:59+00:00", "2026-11", "2026-12-01T00:00:00+00:00"),
    ],
)
def test_a_period_is_the_calendar_month_in_utc(moment: str, name: str, reset: str) -> None:
    at = datetime.fromisoformat(moment)
    assert period.name(at) == name
    assert period.reset(at).isoformat() == reset
    assert period.start(at).isoformat() == f"{name}-01T00:00:00+00:00"


@given(at=st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_a_moment_lies_in_its_own_period_and_no_gap_is_between_two(at: datetime) -> None:
    assert period.start(at) <= at < period.reset(at)
    assert period.start(period.reset(at)) == period.reset(at)
    assert period.name(period.reset(at) - timedelta(microseconds=1)) == period.name(at)
    assert 0 <= period.seconds_left(at) <= 31 * 86_400


def test_seconds_left_count_down_to_the_reset() -> None:
    assert period.seconds_left(datetime(2026, 12, 31, 23, 59, tzinfo=UTC)) == 60
    assert period.seconds_left(datetime(2028, 2, 29, tzinfo=UTC)) == 86_400


def test_the_end_of_the_previous_period_is_a_second_before_this_one() -> None:
    last = period.end_of_the_previous()
    assert last + timedelta(seconds=1) == period.start()
    assert period.reset(last) == period.start()
    assert period.name(last) < period.name()
