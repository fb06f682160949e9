"""The clean-up journal lists what a run left, whatever happened to the run and to the file."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from creditflow.cleanup import resources
from creditflow.cleanup.cleanup import Cleanup, LeftBehindError
from creditflow.cleanup.journal import Journal, JournalContent, finished, leftovers, live_runs, parse
from creditflow.cleanup.resources import (
    KINDS,
    Calls,
    CreatedOrganization,
    KeycloakUser,
    LagoCustomer,
    Membership,
    NotAResourceError,
    Outage,
    ProviderAccount,
    RedisKeys,
    Resource,
    Rows,
    SigningKey,
    StoppedClock,
    Trouble,
)
from creditflow.core.errors import CannotRunError
from creditflow.core.naming import RUN
from creditflow.core.workers import workers

TARGET = "http://ops-center.example"
EACH = (
    KeycloakUser("cf-abc123-1"), Rows("an-id", "cf-abc123-1"), RedisKeys("an-id", "cf-abc123-1"), Calls("cf-abc123-1"),
    Trouble("cf-abc123-1"), ProviderAccount("0123456789abcdef"), LagoCustomer("an-id", "cf-abc123-1"),
    CreatedOrganization("cf-abc123-1 organisation", "cf-abc123-1", "another-id"), Membership("cf-abc123-1@example.com"),
    Outage("Redis", "paused"), SigningKey("cf-abc123-2"),
    StoppedClock(),
)  # fmt: skip
KILLED = f"""
import os, signal, sys
from pathlib import Path
from creditflow.cleanup.journal import Journal
from creditflow.cleanup.resources import KeycloakUser
journal = Journal.begin(Path(sys.argv[1]), "{TARGET}", False)
numbers = [journal.register(KeycloakUser(f"cf-abc123-{{n}}")) for n in range(1, 51)]
for number in numbers[:20]:
    journal.gone(number)
print(len(numbers), flush=True)
signal.pause() if sys.argv[2] == "waits" else os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journals"


def again(journal: Journal) -> JournalContent:
    return parse(journal.path, journal.path.read_bytes())


def text_of(folder: Path) -> bytes:
    """Return a clean-up journal with a resource of each kind; the first is removed."""
    journal = Journal.begin(folder, TARGET, sandbox=False)
    numbers = [journal.register(resource) for resource in EACH]
    journal.gone(numbers[0])
    return journal.path.read_bytes()


def test_every_kind_is_read_as_it_was_written() -> None:
    assert {type(resource) for resource in EACH} == set(KINDS)
    for resource in EACH:
        assert resources.from_dict(json.loads(json.dumps(resource.as_dict()))) == resource


@pytest.mark.parametrize(
    "written",
    [{}, {"kind": "Realm", "name": "uchub"}, {"kind": "KeycloakUser"}, {"kind": "KeycloakUser", "name": 7},
     {"kind": "KeycloakUser", "name": "cf-abc123-1", "more": "x"}, {"kind": None}, {"kind": ["KeycloakUser"]}],
)  # fmt: skip
def test_data_of_no_resource_is_refused(written: dict[str, object]) -> None:
    with pytest.raises(NotAResourceError):
        resources.from_dict(written)


def test_only_its_owner_can_read_it_and_it_names_its_run(folder: Path) -> None:
    journal = Journal.begin(folder, TARGET, sandbox=True)
    for place in (folder, journal.path.parent):
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert stat.S_IMODE(journal.path.stat().st_mode) == 0o600
    read = again(journal)
    assert (read.run, read.target, read.sandbox, read.left) == (RUN, TARGET, True, ())
    assert json.loads(journal.path.read_bytes())["at"].endswith("Z")
    journal.end()


def test_a_resource_is_written_before_its_creation_and_after_its_removal(folder: Path) -> None:
    journal, seen = Journal.begin(folder, TARGET, sandbox=False), list[tuple[Resource, ...]]()
    cleanup = Cleanup(journal)
    cleanup.add_finalizer(EACH[0], lambda: seen.append(again(journal).left))
    assert again(journal).left == (EACH[0],)
    cleanup.add_finalizer("what is no resource", lambda: None)
    assert again(journal).left == (EACH[0],)
    cleanup.carry_out()
    assert seen == [(EACH[0],)], "it was written as gone before it was"
    assert again(journal).left == ()
    journal.end()
    assert not journal.path.exists()


def test_what_could_not_be_removed_stays_and_is_reported(folder: Path) -> None:
    journal, reported = Journal.begin(folder, TARGET, sandbox=False), list[str]()
    cleanup = Cleanup(journal)

    def refuse() -> None:
        raise RuntimeError("Keycloak answered 500")

    cleanup.add_finalizer(EACH[0], refuse)
    cleanup.add_finalizer(EACH[1], lambda: None)
    with pytest.raises(LeftBehindError) as left:
        cleanup.carry_out()
    assert str(left.value) == (
        "This could not be removed and is still on the target: the Keycloak user cf-abc123-1 (Keycloak answered 500). "
        f"It is listed in {journal.path}: `make sweep` removes what is left."
    )
    journal.end(reported.append)
    assert reported == [f"1 resource left, listed in {journal.path}: `make sweep` removes what is left."]
    assert again(journal).left == (EACH[0],)


def test_after_an_interrupted_removal_the_file_and_the_report_name_the_same(folder: Path) -> None:
    journal = Journal.begin(folder, TARGET, sandbox=False)
    first, second = [journal.register(resource) for resource in EACH[:2]]
    journal.gone(first)
    journal.interrupt()
    journal.gone(second)  # a thread ends after the interruption
    assert journal.left == [EACH[1]]
    assert parse(journal.path, journal.path.read_bytes()).left == (EACH[1],)


def test_a_killed_process_loses_no_line(folder: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, folder, "dies"], capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    (found,) = finished(folder)
    assert [str(resource) for resource in found.left] == [f"the Keycloak user cf-abc123-{n}" for n in range(21, 51)]
    assert live_runs(folder) == set()
    assert leftovers(folder, TARGET) == (
        f"An earlier run ({found.run}) left 30 resources on this target: `make sweep` removes them."
    )
    assert leftovers(folder, "http://another.example") == ""


def test_the_journal_of_a_run_that_lives_is_not_counted(folder: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", KILLED, folder, "waits"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"50\n"
        try:
            assert list(finished(folder)) == []
            assert leftovers(folder, TARGET) == ""
            assert len(live_runs(folder)) == 1
        finally:
            process.kill()
    assert len(list(finished(folder))) == 1


def test_the_journal_of_a_sandbox_that_has_ended_is_removed(folder: Path) -> None:
    """Nothing listens on port 9."""
    (folder / "target").mkdir(parents=True)
    for number, sandbox in enumerate((True, False)):
        head = {"version": 1, "run": f"cf-dead0{number}", "target": "http://127.0.0.1:9", "sandbox": sandbox}
        line = {"owe": 1, **EACH[0].as_dict()}
        (folder / "target" / f"{number}.jsonl").write_text(f"{json.dumps(head)}\n{json.dumps(line)}\n")
    assert leftovers(folder, TARGET) == ""
    assert [path.name for path in folder.glob("*/*")] == ["1.jsonl"]


def test_an_empty_folder_of_a_target_is_removed_when_nobody_has_been_there_for_a_day(folder: Path) -> None:
    day = time.time() - 90_000
    for name in ("empty", "in-use", "new"):
        (folder / name).mkdir(parents=True)
    (folder / "in-use" / "1.jsonl").write_text("")
    for name in ("empty", "in-use"):
        os.utime(folder / name, (day, day))
    leftovers(folder, TARGET)
    assert sorted(path.name for path in folder.iterdir()) == ["in-use", "new"]


def test_cut_at_any_byte_what_is_whole_is_still_read(folder: Path) -> None:
    text = text_of(folder)
    whole = parse(Path("x"), text)
    assert whole.left == EACH[1:]
    for cut in range(len(text)):
        read = parse(Path("x"), text[:cut])
        assert read.unread == 0
        assert set(read.left) <= set(EACH)
        complete = text[:cut].count(b"\n")
        assert len(read.left) >= min(complete, len(EACH)) - 1


def test_doubled_and_unknown_lines_change_nothing_of_the_others(folder: Path) -> None:
    lines = text_of(folder).splitlines(keepends=True)
    assert parse(Path("x"), b"".join(line + line for line in lines)).left == EACH[1:]
    strange = [b"\n", b"[]\n", b"7\n", b"\xff\xfe\n", b'{"owe": true}\n', b'{"gone": "1"}\n', b"[" * 5000 + b"\n"]
    read = parse(Path("x"), b"".join([lines[0], *strange, *lines[1:]]))
    assert (read.left, read.unread) == (EACH[1:], len(strange) - 1)


def test_another_version_is_reported_and_not_changed(folder: Path) -> None:
    text = text_of(folder).replace(b'"version": 1', b'"version": 2')
    read = parse(Path("x"), text)
    assert read.of_another_version
    assert (read.left, read.target) == ((), "")
    journal = next(folder.rglob("*.jsonl")).with_name("cf-abc123.1.jsonl")
    journal.write_bytes(text)
    then = (
        "can't be read completely: run `make sweep`, which also finds resources by their names, then remove the file."
    )
    assert leftovers(folder, TARGET).endswith(f"{journal} {then}")
    assert journal.exists()
    assert leftovers(folder, "http://127.0.0.1:10") == ""


def test_a_folder_that_can_not_be_written_ends_the_run_before_anything_is_created(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotRunError, match=r"can't be written in .*file.* set JOURNAL_DIR to another"):
        Journal.begin(tmp_path / "file", TARGET, sandbox=False)


def test_a_resource_costs_two_short_writes_and_no_wait_for_the_disk(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[bytes] = []
    write = os.write

    def counted(file: int, line: bytes) -> int:
        written.append(line)
        return write(file, line)

    monkeypatch.setattr(os, "write", counted)
    for sync in ("fsync", "fdatasync", "sync"):
        monkeypatch.setattr(os, sync, lambda *_: pytest.fail("the journal waits for the disk"))
    journal = Journal.begin(folder, TARGET, sandbox=False)
    for _ in range(1_000):
        journal.gone(journal.register(EACH[1]))
    journal.end()
    assert len(written) == 1 + 2 * 1_000
    assert len(written[-2]) <= len(written[1]) + len("000"), "a line grows with what was written before it"
    assert not journal.path.exists()


def as_worker(monkeypatch: pytest.MonkeyPatch, journal: Journal, number: int) -> None:
    monkeypatch.setattr(workers, "number", number)
    if number:
        journal.begin_in_worker()


def test_a_run_ends_its_journal_when_its_workers_have_left_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal.begin(tmp_path, TARGET, False)
    own = journal.register(KeycloakUser("cf-abc123-1"))
    kept = dict(journal._left)
    as_worker(monkeypatch, journal, 1)
    of_worker = journal.register(KeycloakUser("cf-abc123-1000001"))
    assert own != of_worker
    news = journal.news()
    journal.gone(of_worker)
    as_worker(monkeypatch, journal, 0)
    journal._left = kept
    journal.take(1, news)
    assert journal.left == [KeycloakUser("cf-abc123-1"), KeycloakUser("cf-abc123-1000001")]
    journal.take(1, {})
    journal.gone(own)
    journal.end()
    assert not journal.path.exists()


def test_a_worker_knows_what_the_others_have_made_and_not_the_bystanders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal.begin(tmp_path, TARGET, False)
    journal.register(KeycloakUser("cf-abc123-1"))
    as_worker(monkeypatch, journal, 1)
    journal.register(KeycloakUser("cf-abc123-1000001"))
    as_worker(monkeypatch, journal, 2)
    journal.register(Rows("an-id", "cf-abc123-2000001"))
    assert journal.made_by_others() == {"cf-abc123-1000001"}
    as_worker(monkeypatch, journal, 1)
    assert journal.made_by_others() == {"an-id", "cf-abc123-2000001"}
    as_worker(monkeypatch, journal, 0)
    assert journal.made_by_others() == frozenset()


def test_the_run_takes_over_what_a_dead_worker_has_not_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal.begin(tmp_path, TARGET, False)
    as_worker(monkeypatch, journal, 1)
    removed, left = (journal.register(KeycloakUser(f"cf-abc123-100000{n}")) for n in (1, 2))
    journal.gone(removed)
    as_worker(monkeypatch, journal, 0)
    journal._left = {}
    assert journal.take_over(1) == {left: KeycloakUser("cf-abc123-1000002")}
    assert journal.left == [KeycloakUser("cf-abc123-1000002")]
    assert journal.made_by_others() == {"cf-abc123-1000001", "cf-abc123-1000002"}
