"""Reports of the last run: `python -m creditflow.reporting.report FORMAT`.

| format | what it does |
|---|---|
| `html` | draws the pages; without a format too |
| `json` | prints the record of the run (`docs/record.schema.json`) |
| `markdown` | prints a summary of ten lines at most |
| `github` | prints an annotation for each red scenario, and adds the summary to that of the job of GitHub Actions |

Exit status: 0 if the report was made, whatever the verdict, and 2 if not; then the reason is in the last line.
"""

from __future__ import annotations

import os
import re
import sys
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from io import TextIOWrapper
from pathlib import Path
from urllib.parse import urlsplit

from creditflow.core.redaction import redactor
from creditflow.reporting import html, record, traceability
from creditflow.reporting.record import Outside, RecordError, RunRecord, Scenario, Unselected

FLOWS, CASES = range(1, 4), range(1, 6)
"""The plan's flows and edge cases."""

MOST_RED = 4
"""The number of red scenarios in the summary."""

LONGEST = 160
"""Characters of a title or a message in the summary."""

_PLACE = re.compile(r"(?P<file>\S+):(?P<line>\d+)\b")


def pages(results: Path) -> int:
    """Draw the report, then make the page of traceability; for a killed run the latter is only a sentence.

    Returns:
        The exit status of the report.
    """
    status = html.main()
    traceability.main(results)
    return status


def json_text(results: Path) -> int:
    """Print the record of the run.

    Raises:
        RecordError: the folder does not have the complete results of one run.
    """
    print(record.as_json(record.read(results)))
    return 0


def markdown_text(results: Path) -> int:
    """Print the summary.

    Raises:
        RecordError: the folder does not have the complete results of one run.
    """
    print(summary(record.read(results)))
    return 0


def github_commands(results: Path) -> int:
    """Print the annotations, and append the summary to the file that `GITHUB_STEP_SUMMARY` names, if it is set.

    Raises:
        RecordError: the folder does not have the complete results of one run; an annotation says so too.
        OSError: the summary can't be written.
    """
    try:
        run = record.read(results)
    except RecordError as error:
        print(_command("", "Credit flow acceptance", str(error)))
        _add_to_job(f"**Credit flow acceptance: no verdict**\n- {_plain(str(error))}")
        raise
    for line in workflow_commands(run):
        print(line)
    _add_to_job(summary(run))
    return 0


FORMATS: dict[str, Callable[[Path], int]] = {
    "html": pages,
    "json": json_text,
    "markdown": markdown_text,
    "github": github_commands,
}


def summary(run: RunRecord) -> str:
    """Return the summary in Markdown: ten lines at most."""
    verdict = {0: "passed", 1: "failed", 2: "could not begin"}.get(run.exit_status, "was interrupted")
    suite: list[Scenario | Unselected] = [*run.scenarios, *run.not_selected]
    flows = {f"Flow {n}": [s for s in suite if f"flow-{n}" in s.tags] for n in FLOWS}
    cases = {f"Case {n}": [s for s in suite if any(i.startswith(f"C{n}.") for i in s.items)] for n in CASES}
    grouped = {scenario.place for group in (*flows.values(), *cases.values()) for scenario in group}
    others = [scenario for scenario in suite if scenario.place not in grouped]
    red = [*_red(run)]
    many = f" ({len(run.scenarios):,} of {run.scenarios_in_suite:,} scenarios selected)" if run.not_selected else ""
    lines = [
        f"**Credit flow acceptance {verdict}**{many}: {_plain(run.verdict)}",
        _shares(flows),
        _shares(cases),
        _shares({"All others": others}),
        *(_of_red(one) for one in red[:MOST_RED]),
    ]
    if len(red) > MOST_RED:
        lines.append(f"… and {len(red) - MOST_RED:,} more")
    where = "the sandbox" if run.on_sandbox else urlsplit(run.target).hostname or "no target"
    commit = f", commit {run.commit[:7]}" if run.commit else ""
    lines.append(f"On {_plain(where)} in {_time(run)}, run {run.run} of {run.began:%Y-%m-%d %H:%M} UTC{commit}")
    return "\n- ".join(lines)


def workflow_commands(run: RunRecord) -> Iterator[str]:
    """Yield a workflow command of GitHub Actions for each red scenario and each problem outside of scenarios.

    Source: "Workflow commands for GitHub Actions", Setting an error message.
    """
    for one in _red(run):
        title, place = (one.title, one.place) if isinstance(one, Scenario) else (one.where, one.where)
        yield _command(place, f"{title} ({one.outcome})", one.message or str(one.outcome))


def _command(place: str, title: str, message: str) -> str:
    found = _PLACE.match(place)
    at = f"file={_escaped(found['file'])},line={found['line']}," if found else ""
    return f"::error {at}title={_escaped(title)}::{_escaped(message, ':,')}"


def _escaped(text: str, kept: str = "") -> str:
    """Return a text as a property of a workflow command; its message keeps colons and commas."""
    for character in "%\r\n:,":
        if character not in kept:
            text = text.replace(character, f"%{ord(character):02X}")
    return text


def _add_to_job(text: str) -> None:
    if path := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(redactor.clean(f"{text}\n"))


def _red(run: RunRecord) -> Iterator[Scenario | Outside]:
    yield from (scenario for scenario in run.scenarios if scenario.outcome.is_red)
    yield from run.outside


def _of_red(one: Scenario | Outside) -> str:
    title, place = (one.title, f" ({_plain(one.place)})") if isinstance(one, Scenario) else (one.where, "")
    first = re.split(r"(?<=[.;])\s|\n", one.message, maxsplit=1)[0].rstrip(".;")
    return f"✗ {_short(title)}{place}: {one.outcome}{f', {_short(first)}' if first else ''}"


def _shares(groups: Mapping[str, Iterable[Scenario | Unselected]]) -> str:
    return " · ".join(f"{name}: {_share(scenarios)}" for name, scenarios in groups.items())


def _share(scenarios: Iterable[Scenario | Unselected]) -> str:
    """Return how many scenarios passed, of those that were not left out on purpose."""
    kinds = Counter(str(one.outcome) if isinstance(one, Scenario) else "not selected" for one in scenarios)
    left_out = [(kinds[kind], kind) for kind in ("skipped", "waived", "not selected") if kinds[kind]]
    due = kinds.total() - sum(number for number, _ in left_out)
    if not due:
        return "not run"
    return ", ".join([f"{kinds['passed']} of {due} passed", *(f"{number} {kind}" for number, kind in left_out)])


def _time(run: RunRecord) -> str:
    minutes, seconds = divmod(round((run.ended - run.began).total_seconds()), 60)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def _short(text: str) -> str:
    return _plain(textwrap.shorten(text, LONGEST, placeholder=" …"))


def _plain(text: str) -> str:
    """Return a text in one line that Markdown shows as it is."""
    text = re.sub(r"([\\`*\[\]]|(?<!\w)_|_(?!\w))", r"\\\1", " ".join(text.split()))
    return text.replace("&", "&amp;").replace("<", "&lt;")


def main(arguments: Sequence[str], results: Path = html.RESULTS) -> int:
    """Make the report in the format that the arguments name."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    make = FORMATS.get(" ".join(arguments) or "html")
    if make is None:
        print(f"There is no format {' '.join(arguments)}: choose one of {', '.join(FORMATS)}.", file=sys.stderr)
        return 2
    try:
        return make(results)
    except RecordError as error:
        print(error, file=sys.stderr)
    except OSError as error:
        print(f"{error.filename} can't be written: {error.strerror}.", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
