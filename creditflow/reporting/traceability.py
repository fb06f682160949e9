"""Makes the page of traceability: each item of the plan with its scenarios, its verdicts and its faults.

Run it as `python -m creditflow.reporting.traceability`, or call :func:`make`. It reads the record of the run beside the
Allure results, and writes `traceability.html` beside the Allure report.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from creditflow.core.redaction import redactor
from creditflow.reporting import fault_matrix, item_history, plan_files, plan_items, record
from creditflow.reporting.characters import writable
from creditflow.reporting.html import RESULTS
from creditflow.reporting.results import page_of
from creditflow.reporting.traceability_page import PAGE, page


class NotMadeError(Exception):
    """The page can't be made; the message says why and what to do."""


def make(results: Path = RESULTS) -> Path:
    """Make the page of the run in a folder of results, and add its verdicts to the history.

    Without a whole record, no page is left there, not even an older one.

    Raises:
        NotMadeError: there is no whole record, it does not fit the plan, or a file can't be written.
    """
    path = page_of(results).with_name(PAGE)
    project = results.absolute().parent
    plan_folder, state = project / plan_files.FOLDER.name, project / ".sandbox"
    if not plan_folder.is_dir():
        plan_folder = plan_files.FOLDER
    try:
        path.unlink(missing_ok=True)
        items = plan_items.read(plan_folder)
        run = record.read(results, plan_folder)
        outcome = plan_items.results(run, items)
        faults = fault_matrix.read(
            Path(os.environ.get("SANDBOX_HOME") or state) / "faults", {item.id for item in items.items}
        )
        past = item_history.of(run, {result.item.id: result.verdict for result in outcome})
        history = item_history.remember(state / item_history.FILE, past)
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_suffix(f".{os.getpid()}.new")
        scratch.write_text(redactor.clean(writable(page(run, outcome, history, faults))), encoding="utf-8")
        scratch.replace(path)
    except (record.RecordError, plan_items.PlanError) as error:
        raise NotMadeError(f"There is no page of traceability: {error}") from None
    except OSError as error:
        raise NotMadeError(
            f"The page of traceability can't be written to {path}: {error.filename}: {error.strerror}."
        ) from None
    return path


def main(results: Path = RESULTS) -> int:
    """Make the page and print its path. If that fails, print why and return exit status 2."""
    try:
        print(f"Traceability: {make(results)}")
    except NotMadeError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
