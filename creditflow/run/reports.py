"""Makes the reports of the last run again from its results alone: `python -m creditflow.run.reports FORMAT`.

Without a format, or with `html`, it draws the page and writes the text reports and the sign-off sheet into the folder
`REPORT_DIR`. :mod:`creditflow.reporting.report` has the other formats. The exit status is 2 if a report can't be made.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from creditflow.reporting import html, record, report, report_files
from creditflow.reporting.record import RecordError
from creditflow.reporting.report_files import NotWrittenError
from creditflow.target.settings import SettingsError, load


def main(arguments: Sequence[str], results: Path = html.RESULTS) -> int:
    """Make the reports that the arguments name, and return the exit status."""
    status = report.main(arguments, results)
    if " ".join(arguments) not in ("", "html"):
        return status
    try:
        for what, path in report_files.make(record.read(results), load().report_dir).items():
            print(f"{what}: {path}")
    except (RecordError, NotWrittenError, SettingsError) as error:
        print(error, file=sys.stderr)
        return 2
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
