"""The papers lead somewhere: each citation of the contract, each link, each path; and the README stays short."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from behave.parser import parse_file

from creditflow.reporting import html
from creditflow.reporting.outcome import Kind
from creditflow.target.settings import PROJECT, Settings
from sandbox.faults import catalogue

CODE = ("creditflow", "features", "sandbox", "tests")
PAPERS = sorted(path for folder in (".", "docs", "plan") for path in (PROJECT / folder).glob("*.md"))
OF_TODAY = [path for path in PAPERS if path.name != "CHANGELOG.md"]
"""The changelog names what is no longer there."""
CONTRACT = PROJECT / "docs" / "contract.md"
MOST_WORDS = 600

_CITATION = re.compile(
    r"\b[Cc]ontract(?:'s)?(?: section| rules)?(?:, | \(| |: )"
    r"(?:EP(?P<endpoint>\d+)(?:,? steps? (?P<step>\d+))?(?:, )?)?"
    r'(?P<titles>"[^"]+"(?:(?:, and |, | and )"[^"]+")*)?'
    r"(?:, steps? (?P<step_of_title>\d+))?"
)


class Citation(NamedTuple):
    """What some text cites of the contract: titles of sections, an endpoint and a step of the LLM request."""

    where: str
    titles: tuple[str, ...]
    endpoint: str
    step: str


def citations() -> list[Citation]:
    files = [path for folder in CODE for path in sorted((PROJECT / folder).rglob("*"))]
    return [
        citation
        for path in files
        if path.suffix in (".py", ".sql") and path != Path(__file__)
        for citation in citations_in(path.read_text("utf-8"), str(path.relative_to(PROJECT)))
    ]


def citations_in(text: str, where: str = "") -> Iterator[Citation]:
    for found in _CITATION.finditer(" ".join(text.split())):
        titles = tuple(re.findall(r'"([^"]+)"', found["titles"] or ""))
        step = found["step"] or found["step_of_title"] or ""
        if titles or found["endpoint"]:
            yield Citation(where, titles, found["endpoint"] or "", step)


def headings(path: Path) -> list[str]:
    lines = re.sub(r"^```.*?^```$", "", path.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE).splitlines()
    return [line.lstrip("#").strip() for line in lines if re.match(r"#+ ", line)]


def anchor(heading: str) -> str:
    """Return the fragment that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def links(path: Path) -> list[str]:
    """Return the targets of a paper's links that lead to another paper or place of the project."""
    found = re.findall(r"\]\(([^)\s]+)\)", path.read_text("utf-8"))
    return [target for target in found if not re.match(r"\w+:", target)]


@pytest.mark.parametrize(
    ("text", "titles", "endpoint", "step"),
    [
        ('wrong (contract, "The LLM request", step 2).', ("The LLM request",), "", "2"),
        ('of the contract\'s section "Redis", and', ("Redis",), "", ""),
        ('the contract\'s rules ("Tables", "Redis",\n    "Lago").', ("Tables", "Redis", "Lago"), "", ""),
        ('(contract, EP9, "Quotas", and "Redis")', ("Quotas", "Redis"), "9", ""),
        ("Contract, EP9 step 3 and EP3", (), "9", "3"),
        ("(contract, EP9, steps 5 and 6)", (), "9", "5"),
    ],
)
def test_a_citation_is_found_in_every_form(text: str, titles: tuple[str, ...], endpoint: str, step: str) -> None:
    assert list(citations_in(text)) == [Citation("", titles, endpoint, step)]


@pytest.mark.parametrize("citation", citations(), ids=lambda citation: citation.where)
def test_every_citation_of_the_contract_leads_to_a_section(citation: Citation) -> None:
    titles = [heading.lower() for heading in headings(CONTRACT)]
    for cited in citation.titles:
        assert any(re.match(rf"{re.escape(cited.lower())}\b", title) for title in titles), f"no section “{cited}”"
    text = CONTRACT.read_text("utf-8")
    if citation.endpoint:
        assert f"| EP{citation.endpoint} |" in text
    if citation.step:
        assert re.search(rf"^{citation.step}\. \*\*", text, re.MULTILINE), f"no step {citation.step}"


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: str(paper.relative_to(PROJECT)))
def test_every_link_leads_to_a_file_and_a_heading(paper: Path) -> None:
    for target in links(paper):
        name, _, fragment = target.partition("#")
        file = (paper.parent / name).resolve() if name else paper
        assert file.exists(), target
        assert not fragment or fragment in map(anchor, headings(file)), target


@pytest.mark.parametrize("paper", OF_TODAY, ids=lambda paper: str(paper.relative_to(PROJECT)))
def test_every_path_and_module_that_is_named_exists(paper: Path) -> None:
    text = paper.read_text("utf-8")
    for path in re.findall(rf"(?<![\w/.])(?:{'|'.join(CODE)}|plan|docs|typings)/[\w./*-]*\w", text):
        assert list(PROJECT.glob(path)), path
    for module in re.findall(r"python -m (creditflow[\w.]*|sandbox[\w.]*)", text):
        place = PROJECT / module.replace(".", "/")
        assert place.with_suffix(".py").is_file() or (place / "__main__.py").is_file(), module


def test_every_paper_can_be_reached_from_the_readme() -> None:
    reached, waiting = set(), [PROJECT / "README.md"]
    while waiting:
        paper = waiting.pop()
        if paper not in reached:
            reached.add(paper)
            linked = [(paper.parent / target.partition("#")[0]).resolve() for target in links(paper)]
            waiting += [file for file in linked if file.suffix == ".md"]

    assert reached >= set(PAPERS)


def test_the_readme_is_short_below_its_first_screen() -> None:
    below = (PROJECT / "README.md").read_text("utf-8").partition("\n## What a run prints\n")[2]

    assert 0 < len(below.split()) < MOST_WORDS


def test_every_setting_is_explained() -> None:
    explained = (PROJECT / "docs" / "settings.md").read_text("utf-8")

    assert [name for name in Settings.model_fields if f"`{name.upper()}`" not in explained] == []


def test_every_command_of_the_makefile_is_explained() -> None:
    targets = re.findall(r"^([a-z-]+):.*## ", (PROJECT / "Makefile").read_text("utf-8"), re.MULTILINE)
    explained = (PROJECT / "CONTRIBUTING.md").read_text("utf-8")

    assert [target for target in targets if f"`make {target}`" not in explained] == []


def test_the_samples_of_the_readme_show_a_scenario_that_exists() -> None:
    text = (PROJECT / "README.md").read_text("utf-8")
    title = re.search(r"^ +✓ (.+?)  ", text, re.MULTILINE)
    place = re.search(r"^ +(features/\S+):\d+$", text, re.MULTILINE)
    assert title
    assert place

    assert title[1] in [scenario.name for scenario in parse_file(str(PROJECT / place[1])).walk_scenarios()]
    assert f"✗ {title[1]}  " in text


def test_the_faults_that_are_named_exist() -> None:
    named = {fault for paper in PAPERS for fault in re.findall(r"FAULT=([a-z-]+-[a-z-]+)", paper.read_text("utf-8"))}

    assert named
    assert named <= set(catalogue())


def test_the_style_before_a_commit_is_that_of_make_lint() -> None:
    pinned = re.search(r"^ruff==(\S+)", (PROJECT / "tests" / "requirements.txt").read_text("utf-8"), re.MULTILINE)
    assert pinned

    assert f"rev: v{pinned[1]} " in (PROJECT / ".pre-commit-config.yaml").read_text("utf-8")


def test_the_report_page_explains_every_outcome_and_every_category() -> None:
    page = (PROJECT / "docs" / "report.md").read_text("utf-8")
    rows = [line.split("|") for line in page.splitlines() if line.startswith("| ")]
    outcomes = {word.strip() for row in rows for word in row[1].split(",")}

    assert set(map(str, Kind)) <= outcomes
    assert html.CATEGORIES.keys() <= {row[2].strip() for row in rows if len(row) > 3}
