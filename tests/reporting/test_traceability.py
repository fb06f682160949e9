"""The page of traceability shows every item of the plan with an honest verdict, or there is no page."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from html import escape
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from creditflow.core.redaction import redactor
from creditflow.reporting import fault_matrix, item_history, plan_files, plan_items, selection, traceability
from creditflow.reporting.fault_matrix import FaultMatrix
from creditflow.reporting.item_history import ItemHistory, PastRun
from creditflow.reporting.outcome import OUTCOME_LABEL, Kind, full_name, full_title, place, tags_of
from creditflow.reporting.plan_items import Item, ItemVerdict, Plan, PlanError
from creditflow.reporting.record import FILE, RunRecord, Scenario, Unselected
from creditflow.reporting.traceability_page import link, page

LEFT_OUT = frozenset({"opt-in"})
NOON = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
SMALL = Plan((Item("F1.S5", "it costs 9 credits"), Item("A1", "every step passes")), {})


def scenario(
    title: str = "A request costs nine credits",
    outcome: Kind = Kind.PASSED,
    items: Sequence[str] = ("F1.S5",),
    tags: Sequence[str] = (),
    message: str = "",
) -> Scenario:
    return Scenario(
        uuid=title.replace(" ", "-"),
        name=f"Flow 1: A rule: {title}",
        title=title,
        feature="Flow 1",
        rule="A rule",
        place="features/flows/1.feature:7",
        items=tuple(items),
        tags=(*items, *tags),
        severity="critical",
        outcome=outcome,
        message=message,
    )


def unselected(title: str = "Another request", items: Sequence[str] = ("F1.S5",), *tags: str) -> Unselected:
    return Unselected(
        name=f"Flow 1: {title}",
        title=title,
        place="features/flows/1.feature:9",
        items=tuple(items),
        tags=(*items, *tags),
    )


def record(*scenarios: Scenario, not_selected: Sequence[Unselected] = (), **fields: Any) -> RunRecord:
    known: dict[str, Any] = {
        "run": "cf-abc123",
        "began": NOON,
        "ended": NOON + timedelta(minutes=1),
        "suite": "0.1.0",
        "commit": "",
        "target": "http://127.0.0.1:8000",
        "on_sandbox": True,
        "scenarios_in_suite": len(scenarios) + len(not_selected),
        "verdict": "1 passed, 0 failed",
        "exit_status": 0,
    }
    return RunRecord(**{**known, **fields}, scenarios=scenarios, not_selected=tuple(not_selected))


def verdict(*scenarios: Scenario, not_selected: Sequence[Unselected] = (), waits_for: str = "") -> ItemVerdict:
    """Return the verdict on the first item of the small plan."""
    small = Plan(SMALL.items, {"F1.S5": waits_for} if waits_for else {})
    return plan_items.results(record(*scenarios, not_selected=not_selected), small)[0].verdict


def drawn(
    run: RunRecord, of: Plan = SMALL, history: ItemHistory | None = None, faults: FaultMatrix | None = None
) -> str:
    return page(run, plan_items.results(run, of), history or ItemHistory(Path("history")), faults or FaultMatrix())


def item_in(text: str, item_id: str) -> str:
    """Return the part of a page that is about an item."""
    found = re.search(rf'<li class="item [\w-]+" id="{re.escape(item_id)}">.*?</div></li>', text, re.DOTALL)
    assert found, item_id
    return found.group()


@pytest.fixture
def whole_suite() -> RunRecord:
    """Return a green record of all features."""
    ids = {item.id for item in plan_items.read().items}
    scenarios = [
        Scenario(
            uuid=str(number),
            name=full_name(one),
            title=full_title(one),
            feature=one.feature.name,
            rule="",
            place=place(one),
            items=tuple(tag for tag in tags_of(one) if tag in ids),
            tags=tuple(tags_of(one)),
            severity="normal",
            outcome=Kind.SKIPPED if LEFT_OUT & set(tags_of(one)) else Kind.PASSED,
        )
        for number, one in enumerate(
            scenario for feature in selection.parsed(selection.FEATURES) for scenario in feature.walk_scenarios()
        )
    ]
    return record(*scenarios)


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([Kind.PASSED], ItemVerdict.PASSED),
        ([Kind.PASSED, Kind.PASSED], ItemVerdict.PASSED),
        ([Kind.FAILED], ItemVerdict.FAILED),
        ([Kind.PASSED, Kind.FAILED], ItemVerdict.FAILED),
        ([Kind.NOT_TESTABLE, Kind.FAILED], ItemVerdict.FAILED),
        ([Kind.PASSED, Kind.MISSING], ItemVerdict.FAILED),
        ([Kind.PASSED, Kind.ERROR], ItemVerdict.FAILED),
        ([Kind.PASSED, Kind.NOT_TESTABLE], ItemVerdict.FAILED),
        ([Kind.PASSED, Kind.UNTESTED], ItemVerdict.PARTIAL),
        ([Kind.PASSED, Kind.WAIVED], ItemVerdict.PARTIAL),
        ([Kind.PASSED, Kind.SKIPPED], ItemVerdict.PARTIAL),
        ([Kind.ERROR], ItemVerdict.FAILED),
        ([Kind.HOOK_ERROR, Kind.UNTESTED], ItemVerdict.FAILED),
        ([Kind.NOT_TESTABLE], ItemVerdict.FAILED),
        ([Kind.UNTESTED], ItemVerdict.NOT_RUN),
        ([Kind.WAIVED, Kind.SKIPPED], ItemVerdict.NOT_RUN),
        ([], ItemVerdict.NOT_RUN),
    ],
)
def test_the_verdict_on_an_item_is_that_of_all_its_scenarios(outcomes: list[Kind], expected: ItemVerdict) -> None:
    assert verdict(*(scenario(f"{n}", kind) for n, kind in enumerate(outcomes))) is expected


@pytest.mark.parametrize("kind", Kind)
def test_one_scenario_that_did_not_pass_is_enough_for_an_item_not_to_pass(kind: Kind) -> None:
    assert (verdict(scenario("one"), scenario("two", kind)) is ItemVerdict.PASSED) == (kind is Kind.PASSED)


def test_a_scenario_that_was_not_selected_is_missing() -> None:
    assert verdict(scenario(), not_selected=[unselected()]) is ItemVerdict.PARTIAL
    assert verdict(not_selected=[unselected()]) is ItemVerdict.NOT_RUN


@pytest.mark.parametrize("tag", sorted(LEFT_OUT))
def test_a_scenario_that_a_usual_run_leaves_out_is_not_missing_beside_others(tag: str) -> None:
    assert verdict(scenario("one"), scenario("long", Kind.SKIPPED, tags=[tag])) is ItemVerdict.PASSED
    assert verdict(scenario("one"), not_selected=[unselected("long", ["F1.S5"], tag)]) is ItemVerdict.PASSED
    assert verdict(scenario("one"), scenario("long", Kind.FAILED, tags=[tag])) is ItemVerdict.FAILED


def test_an_item_for_later_that_only_some_of_its_scenarios_showed_is_partial() -> None:
    one, other = scenario("one", tags=["opt-in"]), unselected("other", ["F1.S5"], "opt-in")

    assert verdict(one, not_selected=[other], waits_for="a quiet machine") is ItemVerdict.PARTIAL
    assert verdict(one, waits_for="a quiet machine") is ItemVerdict.PASSED
    assert verdict(not_selected=[other], waits_for="a quiet machine") is ItemVerdict.LATER


def test_an_item_for_later_says_what_it_waits_for() -> None:
    of = Plan(SMALL.items, {"F1.S5": "a quiet machine"})

    assert "waits for a quiet machine" in item_in(drawn(record(), of), "F1.S5")


def test_an_item_that_nothing_carries_says_so() -> None:
    assert "no scenario carries it" in item_in(drawn(record(scenario())), "A1")


@pytest.mark.parametrize("carried", [{"items": ["F1.S99"]}, {"items": [], "tags": ["F1.S99"]}])
def test_an_item_that_the_plan_does_not_have_is_one_sentence(carried: dict[str, list[str]]) -> None:
    with pytest.raises(PlanError, match=r"1\.feature:7 carries the plan item F1\.S99, which plan/items\.tsv does not"):
        plan_items.results(record(scenario(**carried)), SMALL)  # type: ignore[arg-type]


def test_a_plan_with_a_row_that_is_not_whole_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "items.tsv").write_text("id\tkind\tsays\nA1\tmust\n", "utf-8")
    (tmp_path / "later.tsv").write_text("id\twaits for\n", "utf-8")

    with pytest.raises(PlanError, match=r"items\.tsv:2: the row of 'A1' is not whole"):
        plan_items.read(tmp_path)


def test_the_page_has_all_items_in_the_order_of_the_plan(whole_suite: RunRecord) -> None:
    of, text = plan_items.read(), drawn(whole_suite, plan_items.read())
    shown = re.findall(r'<li class="item [\w-]+" id="([^"]+)">', text)

    assert len(shown) == 166
    assert shown == [item.id for item in of.items]
    assert all(f'<a href="#{item}">{item}</a>' in text for item in shown)
    assert link("F1.S5") == "traceability.html#F1.S5"
    assert [f"part-{part}" for part in plan_items.PARTS] == re.findall(
        r'<section class="part [^"]*" id="([^"]+)">', text
    )


def test_a_green_run_of_all_features_passes_what_the_plan_says_is_carried(whole_suite: RunRecord) -> None:
    of = plan_items.read()
    verdicts = {result.item.id: result.verdict for result in plan_items.results(whole_suite, of)}

    assert {one for one, found in verdicts.items() if found is ItemVerdict.LATER} == set(of.later)
    assert {found for one, found in verdicts.items() if one not in of.later} == {ItemVerdict.PASSED}


def test_the_parts_of_the_page_are_those_of_the_plan() -> None:
    table = (plan_files.FOLDER / "README.md").read_text("utf-8")
    letters = {letters for row in re.findall(r"^\| (`[A-Z].*?) \|", table, re.MULTILINE) for letters in _letters(row)}

    assert letters == set(plan_items.PARTS) == {item.part for item in plan_items.read().items}


def _letters(cell: str) -> list[str]:
    """Return the letters in a cell such as "`F1` to `F3`"."""
    names = re.findall(r"`(\w+)`", cell)
    if len(names) == 1:
        return names
    return [f"{names[0][0]}{number}" for number in range(int(names[0][1:]), int(names[1][1:]) + 1)]


class Reader(HTMLParser):
    """Collects the elements of a page, and those that are not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


def test_the_page_is_whole_has_no_script_and_loads_nothing(whole_suite: RunRecord) -> None:
    reader = Reader()
    reader.feed(drawn(whole_suite, plan_items.read()))
    ids = [attributes["id"] for _, attributes in reader.elements if "id" in attributes]
    targets = [str(attributes["href"]) for tag, attributes in reader.elements if tag == "a"]

    assert (reader.open, reader.wrong) == ([], [])
    assert not {"script", "link", "img", "iframe"} & {tag for tag, _ in reader.elements}
    assert not any(
        "src" in attributes or any(name.startswith("on") for name in attributes) for _, attributes in reader.elements
    )
    assert len(ids) == len(set(ids))
    assert {target for target in targets if not target.startswith("#")} == {"index.html"}
    assert {target[1:] for target in targets if target.startswith("#")} <= set(ids)


def test_texts_of_plan_and_run_are_escaped() -> None:
    sharp = "<script>&\"'"
    run = record(
        scenario(sharp, Kind.FAILED, message=sharp, tags=[]),
        verdict=sharp,
        selection=(sharp,),
        target=sharp,
        exit_status=1,
    )
    trial = {
        "fault": sharp,
        "harm": sharp,
        "breaks": ["F1.S5"],
        "verdict": "killed",
        "killed by": [run.scenarios[0].name],
    }
    past = PastRun(target="sandbox", run=sharp, ended=NOON, last_line=sharp, items={})
    faults = FaultMatrix((fault_matrix.Trial(**trial),), NOON)  # type: ignore[arg-type]

    text = drawn(run, Plan((Item("F1.S5", sharp),), {}), ItemHistory(Path(sharp), (past,), (1,)), faults)

    assert "<script" not in text
    assert text.count("&lt;script&gt;&amp;&quot;&#x27;") >= 10


def test_a_red_run_and_a_part_of_the_features_are_named_at_the_top() -> None:
    text = drawn(
        record(scenario(outcome=Kind.FAILED), not_selected=[unselected()], verdict="0 passed, 1 failed", exit_status=1)
    )
    top = text.partition("<fieldset")[0]

    assert "This run is red: 0 passed, 1 failed" in top
    assert "This run left out 1 of 2 scenarios" in top
    assert "0 of 2 items passed" in top


def test_a_red_scenario_leads_to_its_message() -> None:
    text = drawn(record(scenario("A red one", Kind.FAILED, message="the individual has 9,982 credits, expected 9,991")))

    assert '<a href="#scenario-A-red-one">failed</a>' in item_in(text, "F1.S5")
    assert "<pre>the individual has 9,982 credits, expected 9,991</pre>" in text.partition('id="scenario-A-red-one"')[2]


def test_what_did_not_pass_is_shown_first_and_the_rest_unfolds() -> None:
    run = record(*(scenario(f"Green {n}") for n in range(9)), scenario("A red one", Kind.ERROR))
    about = item_in(drawn(run), "F1.S5")

    assert re.findall(r'<li class="(\w+)">', about)[0] == "red"
    assert "<summary>7 more scenarios</summary>" in about


def past(run: str, minutes: int, target: str = "sandbox", verdict: ItemVerdict = ItemVerdict.PASSED) -> PastRun:
    ended = NOON + timedelta(minutes=minutes)
    return PastRun(target=target, run=run, ended=ended, last_line="1 passed, 0 failed", items={"F1.S5": verdict})


def test_the_last_ten_runs_are_kept_the_oldest_first(tmp_path: Path) -> None:
    path = tmp_path / ".sandbox" / item_history.FILE
    for number in range(13):
        history = item_history.remember(path, past(f"cf-{number}", number))

    assert [run.run for run in history.runs] == [f"cf-{number}" for number in range(3, 13)]
    assert len(path.read_text("utf-8").splitlines()) == 10
    assert all(a.ended < b.ended for a, b in pairwise(history.runs))


def test_a_run_is_in_the_history_once(tmp_path: Path) -> None:
    path = tmp_path / item_history.FILE
    item_history.remember(path, past("cf-1", 1))
    item_history.remember(path, past("cf-2", 2))
    history = item_history.remember(path, past("cf-1", 1, verdict=ItemVerdict.FAILED))

    assert [run.run for run in history.runs] == ["cf-1"], "what came after the run is not its past"
    assert history.runs[0].items == {"F1.S5": ItemVerdict.FAILED}
    assert [run.run for run in item_history.remember(path, past("cf-3", 3)).runs] == ["cf-1", "cf-2", "cf-3"]


def test_each_target_has_its_own_history(tmp_path: Path) -> None:
    path = tmp_path / item_history.FILE
    for number in range(12):
        item_history.remember(path, past(f"cf-{number}", number, "staging.example.com"))
    history = item_history.remember(path, past("cf-here", 0))

    assert [run.run for run in history.runs] == ["cf-here"]
    assert len(path.read_text("utf-8").splitlines()) == 11


@pytest.mark.parametrize(
    ("address", "on_sandbox", "expected"),
    [
        ("http://127.0.0.1:41234", True, "sandbox"),
        ("http://127.0.0.1:8000", False, "127.0.0.1:8000"),
        ("https://user:word@ops.example.com/api", False, "ops.example.com"),
    ],
)
def test_a_target_is_known_by_host_and_port(address: str, on_sandbox: bool, expected: str) -> None:
    assert item_history.target_of(record(target=address, on_sandbox=on_sandbox)) == expected


def test_a_line_of_the_history_that_can_not_be_read_is_named_and_kept(tmp_path: Path) -> None:
    path = tmp_path / item_history.FILE
    item_history.remember(path, past("cf-1", 1))
    path.write_text(path.read_text("utf-8") + '{"version": 7}\n', "utf-8")
    history = item_history.remember(path, past("cf-2", 2))

    assert [run.run for run in history.runs] == ["cf-1", "cf-2"]
    assert history.warning() == (
        f"{path}, line 1, can't be read, so earlier runs are missing on this page: remove that line."
    )
    assert path.read_text("utf-8").splitlines()[0] == '{"version": 7}'
    assert history.warning() in drawn(record(scenario()), history=history).replace("&#x27;", "'")


def test_the_last_runs_are_in_words_too() -> None:
    history = ItemHistory(Path(), (past("cf-1", 1, verdict=ItemVerdict.FAILED), past("cf-2", 2)))

    assert 'aria-label="Last 2 runs, oldest first: failed, passed"' in item_in(
        drawn(record(scenario()), history=history), "F1.S5"
    )
    assert "Last 2 runs, oldest first: no such item, no such item" in item_in(drawn(record(), history=history), "A1")


def matrix(folder: Path, *trials: dict[str, Any]) -> FaultMatrix:
    (folder / "matrix.json").write_text(json.dumps(trials), "utf-8")
    return fault_matrix.read(folder, {"F1.S5", "A1"})


def trial(verdict: str = "killed", breaks: Sequence[str] = ("F1.S5",), killed_by: Sequence[str] = ()) -> dict[str, Any]:
    return {
        "fault": "charge-rounds-down",
        "harm": "Users pay less.",
        "breaks": list(breaks),
        "verdict": verdict,
        "killed by": list(killed_by),
        "message": "",
        "seconds": 1.0,
    }


def test_a_fault_turns_an_item_red_if_one_of_its_scenarios_turned_red(tmp_path: Path) -> None:
    run = record(scenario("one"), scenario("two", items=["A1"]))
    text = drawn(run, faults=matrix(tmp_path, trial(breaks=["F1.S5", "A1"], killed_by=[run.scenarios[0].name])))

    assert "<code>charge-rounds-down</code> turns it red: Users pay less." in item_in(text, "F1.S5")
    assert "names it, but a scenario of another item turned red first" in item_in(text, "A1")
    assert "1 fault, of which 1 turned a scenario red." in text


def test_a_fault_that_survived_turns_nothing_red(tmp_path: Path) -> None:
    run = record(scenario())
    reason = "the message does not say <9,976>"
    text = drawn(run, faults=matrix(tmp_path, trial(f"survived: {reason}", killed_by=[run.scenarios[0].name])))

    assert f"survived ({escape(reason)}): Users pay less." in item_in(text, "F1.S5")
    assert "turns it red:" not in text
    assert "No fault of the last matrix turns it red." in item_in(text, "A1")


def test_without_a_matrix_the_page_says_so_once(tmp_path: Path) -> None:
    text = drawn(record(scenario()), faults=fault_matrix.read(tmp_path, {"F1.S5", "A1"}))

    assert text.count("No matrix of faults has been run here") == 1
    assert "No fault of the last matrix" not in text


@pytest.mark.parametrize("content", ['[{"fault": "a"', '[{"fault": "a"}]', "7", "[[]]", "\udcff"])
def test_a_matrix_that_is_damaged_or_older_is_one_sentence(tmp_path: Path, content: str) -> None:
    (tmp_path / "matrix.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    faults = fault_matrix.read(tmp_path, {"F1.S5"})

    assert not faults.trials
    assert re.fullmatch(r"The matrix of faults in \S+ is damaged or of another version .* again\.", faults.problem)


def test_a_matrix_of_an_older_plan_or_older_features_is_one_sentence(tmp_path: Path) -> None:
    older = matrix(tmp_path, trial(breaks=["F1.S99"]))
    renamed = drawn(record(scenario()), faults=matrix(tmp_path, trial(killed_by=["An old name"])))

    assert not older.trials
    assert "names the plan item F1.S99, which plan/items.tsv does not have" in older.problem
    assert "1 scenario of the matrix of faults has another name now" in renamed


def write(folder: Path, run: RunRecord) -> Path:
    """Write a record and its results into a project folder, and return the folder of results."""
    results = folder / "allure-results"
    results.mkdir(exist_ok=True)
    (results / FILE).write_text(run.model_dump_json(), "utf-8")
    for one in run.scenarios:
        labels = [{"name": OUTCOME_LABEL, "value": one.outcome.value}]
        (results / f"{one.uuid}-result.json").write_text(json.dumps({"uuid": one.uuid, "labels": labels}), "utf-8")
    return results


def test_the_page_is_beside_the_report_and_its_run_in_the_history(tmp_path: Path, whole_suite: RunRecord) -> None:
    results = write(tmp_path, whole_suite)
    made = traceability.make(results)
    again = traceability.make(results)

    assert made == again == tmp_path / "allure-report" / "traceability.html"
    assert "Last 1 run, oldest first: passed" in item_in(made.read_text("utf-8"), "F1.S5")
    assert len((tmp_path / ".sandbox" / item_history.FILE).read_text("utf-8").splitlines()) == 1
    assert sorted(file.name for file in made.parent.iterdir()) == ["traceability.html"]


def test_the_command_prints_where_the_page_is_or_why_there_is_none(
    tmp_path: Path, whole_suite: RunRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    results = write(tmp_path, whole_suite)

    assert traceability.main(results) == 0
    assert capsys.readouterr().out == f"Traceability: {tmp_path / 'allure-report' / 'traceability.html'}\n"
    (results / FILE).unlink()
    assert traceability.main(results) == 2
    assert re.fullmatch(r"There is no page of traceability: .*\n", capsys.readouterr().err)


def test_a_secret_is_not_on_the_page(tmp_path: Path) -> None:
    redactor.learn("canary-9Kx4/trace+7")
    results = write(
        tmp_path, record(scenario(outcome=Kind.ERROR, message="asked with canary-9Kx4/trace+7"), exit_status=1)
    )
    text = traceability.make(results).read_text("utf-8")

    assert "canary-9Kx4" not in text + (tmp_path / ".sandbox" / item_history.FILE).read_text("utf-8")


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda results: (results / FILE).unlink(), r"record|There are no results"),
        (lambda results: (results / FILE).write_text((results / FILE).read_text()[:200]), "damaged"),
        (lambda results: (results / ".run-without-verdict").write_text("{}"), "ended without a verdict"),
        (lambda results: _rename(results, "F1.S5", "F1.S99"), r"F1\.S99"),
    ],
    ids=["no record", "cut off", "killed", "renamed"],
)
def test_without_a_whole_record_there_is_one_sentence_and_no_page(
    tmp_path: Path, whole_suite: RunRecord, damage: Any, sentence: str
) -> None:
    results = write(tmp_path, whole_suite)
    older = traceability.make(results)
    damage(results)

    with pytest.raises(traceability.NotMadeError, match=sentence):
        traceability.make(results)
    assert not older.exists()


def _rename(results: Path, old: str, new: str) -> None:
    path = results / FILE
    path.write_text(path.read_text("utf-8").replace(f'"{old}"', f'"{new}"'), "utf-8")


def test_a_folder_that_can_not_be_written_is_one_sentence(tmp_path: Path, whole_suite: RunRecord) -> None:
    results = write(tmp_path, whole_suite)
    (tmp_path / ".sandbox").write_text("in the way", "utf-8")

    with pytest.raises(traceability.NotMadeError, match=r"can't be written to .*\.sandbox"):
        traceability.make(results)
