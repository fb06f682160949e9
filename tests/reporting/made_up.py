"""Made-up runs: records, and the Allure results that belong to them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from creditflow.reporting import record, scenario_page
from creditflow.reporting.allure import _STATUS
from creditflow.reporting.outcome import OUTCOME_LABEL, Kind
from creditflow.reporting.record import Account, RunRecord, Scenario, Unselected

BEGAN = datetime(2026, 11, 26, 7, 30, tzinfo=UTC)
FLOW_1 = ("flows/1_individual_user.feature", "Flow 1: An individual pays")
FLOW_2 = ("flows/2_organization_user.feature", "Flow 2: A member pays")
CASE_1 = ("edge_cases/1_insufficient_organization_credits.feature", "Edge case 1: Not enough credits")
CREDITS = Account(
    who="the individual",
    what="credits",
    before=10_000,
    after=9_991,
    expected=9_991,
    systems=("the API", "unicorn_db"),
)


def scenario(
    number: int, of: tuple[str, str] = FLOW_1, kind: Kind = Kind.PASSED, *, message: str = "", **more: Any
) -> Scenario:
    """Return a scenario of a feature."""
    file, feature = of
    title = more.pop("title", f"scenario {number} is {kind}")
    return Scenario(
        uuid=f"result-{number}",
        name=f"{feature}: {title}",
        title=title,
        feature=feature,
        rule="",
        place=f"features/{file}:{number}",
        items=more.pop("items", ()),
        tags=more.pop("tags", ("critical",)),
        severity="critical",
        outcome=kind,
        message=message,
        **more,
    )


def left_out(number: int, of: tuple[str, str] = FLOW_1, *tags: str) -> Unselected:
    """Return a scenario that was not selected."""
    return Unselected(
        name=f"{of[1]}: {number}", title=str(number), feature=of[1], place=f"features/{of[0]}:{number}", tags=tags
    )


def run(*scenarios: Scenario, **more: Any) -> RunRecord:
    """Return the record of a run of these scenarios."""
    red = sum(one.outcome.is_red for one in scenarios)
    passed = sum(one.outcome is Kind.PASSED for one in scenarios)
    facts = {
        "run": "cf-abc123",
        "began": BEGAN,
        "ended": BEGAN + timedelta(minutes=3),
        "suite": "0.1.0",
        "commit": "0123456789abcdef0123456789abcdef01234567",
        "target": "http://sut.example:8084",
        "on_sandbox": False,
        "scenarios_in_suite": len(scenarios),
        "scenarios": scenarios,
        "verdict": f"{passed} passed, {red} failed",
        "exit_status": 1 if red else 0,
    }
    return RunRecord(**{**facts, **more})


def write(made: RunRecord, folder: Path, page: str = "", links: tuple[tuple[str, str], ...] = ()) -> None:
    """Write the results and the record of a run; each result has the description and the links."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / record.FILE).write_text(made.model_dump_json(), "utf-8")
    for number, one in enumerate(made.scenarios):
        labels = {"epic": "Flows", "feature": one.feature, "severity": one.severity, OUTCOME_LABEL: one.outcome.value}
        start = round(made.began.timestamp() * 1000) + number
        result = {
            "uuid": one.uuid,
            "name": one.title,
            "fullName": one.name,
            "testCaseId": one.place,
            "historyId": one.place,
            "status": _STATUS.get(one.outcome, "broken"),
            "statusDetails": {"message": one.message} if one.message else None,
            "start": start,
            "stop": start + 1,
            "descriptionHtml": page,
            "labels": [{"name": name, "value": value} for name, value in labels.items()],
            "links": [{"type": "tms", "name": name, "url": url} for name, url in links],
        }
        (folder / f"{one.uuid}-result.json").write_text(json.dumps(result), "utf-8")


def page_with_a_table() -> str:
    """Return a description as a real scenario has it."""
    row = ("the individual", "credits", 10_000, 9_982, 9_991, "unicorn_db: 9,982")
    headers = ("who", "what", "before", "after", "expected", "where it differs")
    return f"<h4>Feature: Flow 1</h4>{scenario_page.table('Ledger', headers, [row, row[:5]], marked=[0])}"
