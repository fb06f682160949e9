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
from collections.abc import Iterable, Mapping
from contextlib import suppress
from hashlib import md5
from pathlib import Path
from typing import Any

from creditflow.reporting import overview, plan_files, record
from creditflow.reporting.environment import complete
from creditflow.reporting.npm_tool import PROJECT, NotPreparedError, run_node
from creditflow.reporting.outcome import OUTCOME_LABEL, PLACE_LABEL, Kind
from creditflow.reporting.report_tool import ALLURE
from creditflow.reporting.results import Unfinished, page_of, unfinished

RESULTS = PROJECT / "allure-results"
TITLE = "Credit flow acceptance"
LIMIT_S = 90
HISTORY_RUNS = 20

CATEGORIES: dict[str, tuple[Kind, ...]] = {
    "A product defect": (Kind.FAILED,),
    "An endpoint is missing": (Kind.MISSING,),
    "Not testable here": (Kind.NOT_TESTABLE,),
    "Too busy to measure": (Kind.TOO_BUSY,),
    "A broken test or service": (Kind.ERROR,),
    "A step is not written": (Kind.UNDEFINED, Kind.PENDING),
    "Nothing was checked": (Kind.UNCHECKED,),
    "The set-up failed": (Kind.HOOK_ERROR,),
    "The clean-up failed": (Kind.CLEANUP_ERROR,),
    "A waiver is out of date": (Kind.OUT_OF_DATE,),
    "Waived": (Kind.WAIVED,),
    "Not run": (Kind.UNTESTED,),
}
"""The categories of what is not green, by their names in the report."""

CHARTS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("statusTransitions", "What changed from run to run: new, fixed, red again", {}),
    ("statusDynamics", "The last runs", {}),
    ("testResultSeverities", "Results by severity", {}),
    ("stabilityDistribution", "Stability of each feature over the last runs", {"groupBy": "feature", "threshold": 90}),
    ("statusAgePyramid", "For how many runs something is red", {}),
    ("durations", "How many scenarios take how long", {}),
    ("durationDynamics", "Duration of the last runs", {}),
)
"""The charts of the report: type, title and options."""

_COUNTING = re.compile(r"<script async src=\"https?://[^>]*></script>\s*<script>.*?</script>", re.DOTALL)
_ONLY_ITSELF = (
    '<meta http-equiv="Content-Security-Policy" '
    "content=\"default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; connect-src data: blob:\">"
)
_ADDITIONS = Path(__file__).resolve().parent / "page_additions.html"
"""Lets the first page show whole sentences, and makes links of relative addresses, which Allure 3.18 shows as text."""


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
    page = page_of(results)
    history = results.absolute().parent / ".sandbox" / "allure-history.jsonl"
    if not ALLURE.is_prepared():
        raise NotDrawnError(
            "The report was not drawn, because its tool is not installed: run "
            "`python -m creditflow.reporting.report_tool`, then `make report`."
        )
    try:
        history.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=ALLURE.folder, prefix="draw-") as scratch:
            config = Path(scratch, "allurerc.json")
            settings = _config(Path(scratch, "page"), history, *_first_page(results, history))
            config.write_text(json.dumps(settings), encoding="utf-8")
            _allure(["generate", "--config", str(config), str(results.resolve())], Path(scratch))
            page.parent.mkdir(parents=True, exist_ok=True)
            drawn = Path(scratch, "page", "index.html").read_text("utf-8")
            page.write_text(self_contained(drawn, _addresses(_results(results))), "utf-8")
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


def self_contained(page: str, addresses: Mapping[str, str]) -> str:
    """Return the page without Allure's visitor counting, and with a policy that it loads nothing from elsewhere.

    Args:
        page: the page as Allure draws it.
        addresses: the relative addresses of links, by their names.
    """
    page = _COUNTING.sub("", page, count=1)
    known = json.dumps(addresses).replace("<", "\\u003c")
    additions = _ADDITIONS.read_text("utf-8").replace("addresses = {}", f"addresses = {known}", 1)
    return page.replace("<head>", f"<head>\n    {_ONLY_ITSELF}\n    {additions}", 1)


def _first_page(results: Path, history: Path) -> tuple[str, dict[str, str]]:
    """Return the title and the lines of the first page.

    The facts of the run are written beside its results. A run that is drawn again is removed from the history.
    """
    written = _results(results)
    try:
        run = record.read(results)
    except record.RecordError as error:
        name = md5("".join(str(r.get("uuid")) for r in written).encode(), usedforsecurity=False).hexdigest()[:6]
        _before(history, name)
        return f"{TITLE}: no verdict, run {name}", {"Verdict": str(error)}
    complete(results, overview.facts(run, plan_files.items(results.absolute().parent / plan_files.FOLDER.name)))
    now = {_identity(result): str(result.get("status", "")) for result in written}
    lines = overview.figures(run, now, _before(history, run.run))
    return f"{TITLE}: {overview.headline(run)}, run {run.run}", lines


def _config(output: Path, history: Path, title: str, lines: Mapping[str, str]) -> dict[str, Any]:
    """Return Allure's configuration: one page with the verdict, grouped by part, feature and rule."""
    return {
        "name": title,
        "output": str(output),
        "historyPath": str(history),
        "historyLimit": HISTORY_RUNS,
        "appendHistory": True,
        "hideLabels": ["framework", "language", "host", "thread", PLACE_LABEL],
        "variables": dict(lines),
        "categories": [_category(category, *kinds) for category, kinds in CATEGORIES.items()],
        "plugins": {
            "awesome": {
                "options": {
                    "singleFile": True,
                    "reportLanguage": "en",
                    "groupBy": ["epic", "feature", "story"],
                    "charts": [{"type": kind, "title": title, **options} for kind, title, options in CHARTS],
                }
            }
        },
    }


def _results(folder: Path) -> list[dict[str, Any]]:
    """Return the results in a folder, without those that can't be read."""
    found = []
    for path in sorted(folder.glob("*-result.json")):
        with suppress(OSError, ValueError):
            found.append(json.loads(path.read_bytes()))
    return found


def _addresses(results: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the relative addresses of the links of all results, by the links' names."""
    links = [link for result in results for link in result.get("links", ())]
    return {link["name"]: link["url"] for link in links if link.get("name") and "://" not in link["url"]}


def _before(history: Path, run: str) -> dict[str, str] | None:
    """Remove a run that is drawn again from the history, and return the statuses of the run before it."""
    if not history.is_file():
        return None
    lines = history.read_text("utf-8").splitlines()
    runs = [_object(line) for line in lines]
    kept = [number for number, one in enumerate(runs) if not str(one.get("name")).endswith(f", run {run}")]
    if len(kept) < len(runs):
        history.write_text("".join(f"{lines[number]}\n" for number in kept), "utf-8")
    results = [found for number in kept if (found := runs[number].get("testResults"))]
    return {key.partition(".")[0]: one["status"] for key, one in results[-1].items()} if results else None


def _object(line: str) -> dict[str, Any]:
    """Return the object in a line of the history; empty if it is damaged."""
    with suppress(ValueError):
        return dict(json.loads(line))
    return {}


def _identity(result: Mapping[str, Any]) -> str:
    """Return the identity of a result in Allure's history."""
    return md5(str(result.get("testCaseId")).encode(), usedforsecurity=False).hexdigest()


def _category(name: str, *kinds: Kind) -> dict[str, Any]:
    return {
        "name": name,
        "matchers": [{"labels": {OUTCOME_LABEL: f"^{kind.value}$"}} for kind in kinds],
        "groupByMessage": True,
    }


def _allure(arguments: list[str], folder: Path) -> None:
    try:
        done = run_node(ALLURE.folder / "node_modules" / "allure" / "cli.js", arguments, folder, LIMIT_S)
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
    except (NotDrawnError, NotPreparedError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
