"""Draws the HTML report: one file that opens in a browser, made by Allure 3 from the results of a run.

Run it as `python -m creditflow.reporting.html`, or call :func:`draw`. :mod:`creditflow.reporting.report_tool` installs
Allure. The history of earlier runs is in `.sandbox/allure-history.jsonl`.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from creditflow.reporting import report_tool
from creditflow.reporting.outcome import OUTCOME_LABEL, Kind
from creditflow.reporting.results import Unfinished, page_of, unfinished

RESULTS = report_tool.PROJECT / "allure-results"
TITLE = "Credit flow acceptance"
LIMIT_S = 90
HISTORY_RUNS = 20

_COUNTING = re.compile(r"<script async src=\"https?://[^>]*></script>\s*<script>.*?</script>", re.DOTALL)
_ONLY_ITSELF = (
    '<meta http-equiv="Content-Security-Policy" '
    "content=\"default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; connect-src data: blob:\">"
)


class NotDrawnError(Exception):
    """The report could not be drawn; the message says why and what to do."""


def draw(results: Path = RESULTS) -> Path:
    """Draw the report of the results in a folder, and add the run to the history.

    Returns:
        The page, `allure-report/index.html` beside the results.

    Raises:
        NotDrawnError: there are no results, Allure is not installed, or it failed.
    """
    last = unfinished(results)
    if not any(results.glob("*-result.json")) and not any(results.glob("*-globals.json")):
        if last:
            raise NotDrawnError(f"There are no results in {results} to draw a report of. {last.sentence()}")
        raise NotDrawnError(f"There are no results in {results} to draw a report of: run behave first.")
    if last:
        _add_unfinished(last, results)
    tool = report_tool.TOOL
    page = page_of(results)
    history = results.absolute().parent / ".sandbox" / "allure-history.jsonl"
    if not report_tool.is_prepared(tool):
        raise NotDrawnError(
            "The report was not drawn, because its tool is not installed: run "
            "`python -m creditflow.reporting.report_tool`, then `make report`."
        )
    try:
        history.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=tool, prefix="draw-") as scratch:
            config = Path(scratch, "allurerc.json")
            config.write_text(json.dumps(_config(Path(scratch, "page"), history)), encoding="utf-8")
            _allure(tool, ["generate", "--config", str(config), str(results.resolve())], Path(scratch))
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_text(self_contained(Path(scratch, "page", "index.html").read_text("utf-8")), "utf-8")
    except OSError as error:
        raise NotDrawnError(f"The report could not be written to {page}: {error.strerror}.") from error
    return page


def _add_unfinished(last: Unfinished, results: Path) -> None:
    """Add a broken result to those of a run that did not finish, so that its page is not green."""
    identity = "run-without-verdict"
    result = {
        "uuid": identity,
        "name": "The run ended without a verdict",
        "fullName": identity,
        "historyId": identity,
        "testCaseId": identity,
        "status": "broken",
        "statusDetails": {"message": last.sentence()},
        "labels": [
            {"name": "severity", "value": "blocker"},
            {"name": "feature", "value": "Outside of features"},
            {"name": OUTCOME_LABEL, "value": Kind.ERROR.value},
        ],
    }
    (results / f"{identity}-result.json").write_text(json.dumps(result), encoding="utf-8")


def self_contained(page: str) -> str:
    """Return the page without Allure's visitor counting, and with a policy that it loads nothing from elsewhere."""
    page = _COUNTING.sub("", page, count=1)
    return page.replace("<head>", f"<head>\n    {_ONLY_ITSELF}", 1)


def _config(output: Path, history: Path) -> dict[str, Any]:
    """Return Allure's configuration: one page, grouped by epic, feature and rule, with the categories of failures."""
    return {
        "name": TITLE,
        "output": str(output),
        "historyPath": str(history),
        "historyLimit": HISTORY_RUNS,
        "appendHistory": True,
        "hideLabels": ["framework", "language", "host", "thread"],
        "categories": [
            _category("Check failed", Kind.FAILED),
            _category("Endpoint missing", Kind.MISSING),
            _category("Not testable here", Kind.NOT_TESTABLE),
            _category("Too busy to measure", Kind.TOO_BUSY),
            _category("Error in a test", Kind.ERROR),
            _category("Undefined step", Kind.UNDEFINED, Kind.PENDING),
            _category("Nothing checked", Kind.UNCHECKED),
            _category("Set-up error", Kind.HOOK_ERROR),
            _category("Clean-up error", Kind.CLEANUP_ERROR),
            _category("Waiver out of date", Kind.OUT_OF_DATE),
            _category("Waived", Kind.WAIVED),
            _category("Not run", Kind.UNTESTED),
        ],
        "plugins": {
            "awesome": {
                "options": {
                    "reportName": TITLE,
                    "singleFile": True,
                    "reportLanguage": "en",
                    "groupBy": ["epic", "feature", "story"],
                }
            }
        },
    }


def _category(name: str, *kinds: Kind) -> dict[str, Any]:
    return {
        "name": name,
        "matchers": [{"labels": {OUTCOME_LABEL: f"^{kind.value}$"}} for kind in kinds],
        "groupByMessage": True,
    }


def _allure(tool: Path, arguments: list[str], folder: Path) -> None:
    try:
        done = report_tool.run_node(tool / "node_modules" / "allure" / "cli.js", arguments, folder, LIMIT_S)
    except subprocess.TimeoutExpired:
        raise NotDrawnError(f"Allure did not draw the report within {LIMIT_S} s; run `make report` again.") from None
    if done.returncode or not (folder / "page" / "index.html").is_file():
        lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise NotDrawnError(f"Allure could not draw the report: {lines[0] if lines else 'it gave no reason'}.")


def main() -> int:
    """Draw the report and print its path. If that fails, print why and return exit status 2."""
    try:
        print(f"Report: {draw()}")
        if last := unfinished(RESULTS):
            print(last.sentence())
    except (NotDrawnError, report_tool.NotPreparedError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
