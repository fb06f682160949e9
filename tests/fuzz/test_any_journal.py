"""In any file of a clean-up journal, readable lines are read and other lines are counted; nothing is raised."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from creditflow.cleanup import journal
from creditflow.cleanup.journal import VERSION, JournalContent, finished, leftovers, parse
from creditflow.cleanup.resources import KINDS, KeycloakUser, Resource

PATH = Path("cf-abc123.1.jsonl")
TARGET = "http://127.0.0.1:1"
HEAD: dict[str, Any] = {
    "at": "2026-01-01T00:00:00.000Z", "version": VERSION, "run": "cf-abc123", "target": TARGET, "sandbox": False,
}  # fmt: skip


def lines_of(resources: list[Resource], gone: set[int]) -> list[bytes]:
    """Return the lines that a run writes: a head, the created resources, and the removed ones."""
    created = [{"at": HEAD["at"], "owe": number, **resource.as_dict()} for number, resource in enumerate(resources, 1)]
    ended = [{"at": HEAD["at"], "gone": number} for number in sorted(gone) if number <= len(resources)]
    return [json.dumps(line).encode() + b"\n" for line in (HEAD, *created, *ended)]


words = st.text(alphabet='cf-abc123 é\n"\\', min_size=1, max_size=12)
made = st.lists(
    st.sampled_from(KINDS).flatmap(lambda kind: st.builds(kind, **{part.name: words for part in fields(kind)})),
    max_size=6,
)
gone = st.sets(st.integers(1, 6))


@given(resources=made, ended=gone)
def test_what_was_written_is_read(resources: list[Resource], ended: set[int]) -> None:
    read = parse(PATH, b"".join(lines_of(resources, ended)))
    assert read.left == tuple(resource for number, resource in enumerate(resources, 1) if number not in ended)
    assert (read.run, read.target, read.unread, read.of_another_version) == ("cf-abc123", TARGET, 0, False)


@given(resources=made, ended=gone, data=st.data())
def test_cut_at_any_byte_nothing_that_was_written_whole_is_lost(
    resources: list[Resource], ended: set[int], data: Any
) -> None:
    lines = lines_of(resources, ended)
    text = b"".join(lines)
    at = data.draw(st.integers(0, len(text)))
    read = parse(PATH, text[:at])
    whole = text[:at].count(b"\n")
    if whole:
        expected = parse(PATH, b"".join(lines[:whole]))
        one_more = parse(PATH, b"".join(lines[: whole + 1]))
        assert read.left in (expected.left, one_more.left)
        assert read.unread == 0
    else:
        assert read.left == ()


@given(resources=made, ended=gone, data=st.data())
def test_doubled_and_disordered_lines_say_the_same(resources: list[Resource], ended: set[int], data: Any) -> None:
    lines = lines_of(resources, ended)
    doubled = data.draw(st.permutations([*lines, *data.draw(st.lists(st.sampled_from(lines), max_size=4))]))
    read, meant = parse(PATH, b"".join(doubled)), parse(PATH, b"".join(lines))
    assert sorted(map(str, read.left)) == sorted(map(str, meant.left))
    assert read.unread == 0


@given(resources=made, version=st.integers() | st.none() | st.text(max_size=3) | st.floats() | st.just([]))
def test_a_file_of_another_version_contains_nothing_known(resources: list[Resource], version: Any) -> None:
    lines = lines_of(resources, set())
    lines[0] = json.dumps({**HEAD, "version": version}).encode() + b"\n"
    read = parse(PATH, b"".join(lines))
    if type(version) is not int or version != VERSION:
        assert read.left == ()
        assert read.of_another_version


garbage = (
    st.binary(max_size=40).filter(lambda line: line.strip() and b"\n" not in line)
    | st.sampled_from(
        [
            b"{", b"[]", b"null", b"[" * 9_000, b"9" * 5_000, b"\xff\xfe", b"\0", b'{"gone": "1"}', b'{"gone": {}}',
            b'{"owe": 1}', b'{"owe": 1e999}', b'{"owe": 1, "kind": "Nothing"}', b'{"owe": true, "kind": []}',
            b'{"owe": 1, "kind": "Rows"}', b'{"owe": 1, "kind": "KeycloakUser", "name": 5}',
            b'{"owe": 1, "kind": "KeycloakUser", "name": "a", "more": "b"}',
        ]
    )
)  # fmt: skip


@given(resources=made, wrong=st.lists(garbage, min_size=1, max_size=3), data=st.data())
@example([], [b"[" * 100_000], None)
def test_garbage_between_the_lines_is_counted_and_loses_nothing_else(
    resources: list[Resource], wrong: list[bytes], data: Any
) -> None:
    lines = lines_of(resources, set())
    for line in wrong:
        at = data.draw(st.integers(1, len(lines))) if data else 1
        lines.insert(at, line + b"\n")
    read = parse(PATH, b"".join(lines))
    assert set(map(str, resources)) <= set(map(str, read.left))
    assert read.unread == len(wrong) or any(b"\r" in line or line.strip() != line for line in wrong)


@given(text=st.binary(max_size=200) | st.lists(garbage | st.just(b"\n"), max_size=8).map(b"".join))
def test_any_file_is_read_and_nothing_is_raised(tmp_path_factory: pytest.TempPathFactory, text: bytes) -> None:
    folder = tmp_path_factory.getbasetemp() / "journals"
    folder.mkdir(exist_ok=True)
    (folder / "cf-abc123.1.jsonl").write_bytes(text)
    (read,) = finished(folder)
    assert isinstance(read, JournalContent)
    assert isinstance(leftovers(folder, TARGET), str)
    assert journal.live_runs(folder) == set()


def test_all_kinds_of_resources_are_tried() -> None:
    assert KeycloakUser in KINDS
    assert len(KINDS) > 5
