"""Everything that `creditflow` writes passes the redactor; a module that starts to write has to join this list."""

from __future__ import annotations

import ast
from pathlib import Path

CREDITFLOW = Path(__file__).resolve().parents[2] / "creditflow"

WRITERS = {
    "actors/load/generator.py": "Locust's private folder, which ends with the load; its reasons pass the redactor",
    "actors/load/locustfile.py": "the same folder; a report gets nothing of it but through the redactor",
    "checks/change_points.py": "installs a tool; knows no secret",
    "checks/own_runs.py": "writes a configuration of behave in a private folder; knows no secret",
    "target/drivers/clock.py": "writes a time; knows no secret",
    "checks/performance_history.py": "the rows of figures pass the redactor",
    "core/redacted_output.py": "cleans what it is given before it writes it",
    "cleanup/journal.py": "each line passes the redactor",
    "reporting/allure.py": "its logger passes results, attachments and files through the redactor",
    "reporting/progress.py": "writes figures only",
    "reporting/schedule.py": "writes the seconds of scenarios, by the titles of the features; knows no secret",
    "run/exploration/run.py": "its stream passes the redactor",
    "reporting/console.py": "each line passes the redactor; the stream does so too",
    "reporting/environment.py": "each fact passes the redactor",
    "reporting/junit.py": "each element and each file pass the redactor",
    "reporting/metrics.py": "each name and the file pass the redactor",
    "reporting/item_history.py": "each line passes the redactor",
    "reporting/traceability.py": "the page passes the redactor",
    "run/contents.py": "writes the titles of the features; knows no secret",
    "reporting/html.py": "draws results that have passed it; knows no secret itself",
    "reporting/npm_tool.py": "installs a tool; knows no secret",
    "reporting/record.py": "each text of the record passes the redactor",
    "reporting/report.py": "what it adds to the summary of a job passes the redactor",
    "reporting/report_files.py": "each text passes the redactor",
    "reporting/results.py": "its mark beside the results passes the redactor",
    "reporting/start.py": "behave's message about a command line passes the redactor",
}
"""The modules that write to files or streams, and why they write no secret."""

GUARDED = {
    "checks/change_points.py",
    "checks/otava_tool/analyse.py",
    "reporting/beginning.py",
    "reporting/html.py",
    "reporting/npm_tool.py",
    "reporting/record.py",
    "reporting/report.py",
    "reporting/runner.py",
    "reporting/side_by_side.py",
    "reporting/summary.py",
    "reporting/traceability.py",
    "run/command_line.py",
    "run/contents.py",
    "run/feature_lint.py",
    "run/performance_runs.py",
    "run/reports.py",
}
"""The modules that print: in a run everything printed passes the redactor; the others know no secret."""

WRITING = {"write", "write_text", "write_bytes", "writelines", "writestr", "dump", "touch", "report_attached_data"}
PRINTING = {"print", "echo", "secho", "pprint", "print_exc", "print_exception", "print_stack"}


def calls(path: Path) -> list[tuple[str, int]]:
    """Return the calls of a module that write or print, with their lines."""
    found = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            function = node.func
            name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
            modes = [a.value for a in [*node.args, *(k.value for k in node.keywords)] if isinstance(a, ast.Constant)]
            if name in WRITING | PRINTING or (
                name in ("open", "fdopen") and any(isinstance(m, str) and set("wax+") & set(m[:3]) for m in modes)
            ):
                found.append((name, node.lineno))
    return found


def test_every_module_that_writes_is_known_and_passes_the_redactor() -> None:
    modules = sorted(CREDITFLOW.rglob("*.py"))
    assert len(modules) > 50
    surprises = []
    met: set[str] = set()
    for path in modules:
        module = str(path.relative_to(CREDITFLOW))
        for name, line in calls(path):
            allowed = GUARDED if name in PRINTING else WRITERS
            met.add(module)
            if module not in allowed:
                surprises.append(f"creditflow/{module}:{line} calls {name}")
    assert not surprises, "pass these through creditflow.core.redaction, and add them here: " + "; ".join(surprises)
    assert set(WRITERS) | GUARDED <= met | {"cleanup/journal.py"}, "remove modules from the list that no longer write"


def test_every_attachment_is_made_in_one_module() -> None:
    attaching = {
        str(path.relative_to(CREDITFLOW))
        for path in CREDITFLOW.rglob("*.py")
        if "allure.attach(" in path.read_text("utf-8") or "allure.dynamic" in path.read_text("utf-8").replace("``", "")
    }
    assert attaching <= {"reporting/evidence.py", "reporting/allure.py"}


def test_the_writers_of_the_list_name_the_redactor() -> None:
    without = {
        "checks/own_runs.py",
        "target/drivers/clock.py",
        "actors/load/locustfile.py",
        "checks/change_points.py",
        "core/redacted_output.py",
        "reporting/html.py",
        "reporting/progress.py",
        "reporting/schedule.py",
        "run/contents.py",
        "run/exploration/run.py",
        "reporting/npm_tool.py",
    }
    for module in WRITERS.keys() - without:
        assert "redactor.clean" in (CREDITFLOW / module).read_text("utf-8"), module
