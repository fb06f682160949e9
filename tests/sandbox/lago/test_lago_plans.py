"""The platform's plans are there from the start."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.sandbox.lago.conftest import Api


def test_the_platforms_plans_are_there_from_the_start(api: Api) -> None:
    plans = {plan["code"]: plan for plan in api.ok("GET", "/api/v1/plans")["plans"]}
    assert set(plans) == {"trial", "starter", "professional", "platform", "enterprise"}
    for plan in plans.values():
        assert (plan["interval"], plan["amount_currency"], plan["pay_in_advance"]) == ("monthly", "USD", True)
        assert [charge["billable_metric_code"] for charge in plan["charges"]] == ["llm_requests"]
