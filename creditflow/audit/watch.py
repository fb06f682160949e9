"""The watch: beyond the people of a scenario nothing changed while it ran, and no service logged an error.

On a target that nobody else uses (`WATCH=exact`, as the sandbox says of itself) everything that the systems keep is
compared before and after a scenario. While another run is on the same target this can't be told, and is said at the
end. On any target there are bystanders, whose books are audited with those of each scenario.
"""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from creditflow.actors.people import Person
from creditflow.cleanup import journal
from creditflow.core.expect import counted
from creditflow.core.interruption import SETTLES_S
from creditflow.core.naming import RUN, made_by_a_run
from creditflow.core.redaction import redactor
from creditflow.target.target import Target

TITLE = "Nothing else happened"
"""By which the report names the watch."""

_KEEPS = ("UNICORN_DB_URL", "REDIS_URL", "LAGO_DB_READ_URL", "PROVIDER_URL")
"""The settings that name what keeps something; the watch is exact where all of them are named."""

_TRACE = "Traceback (most recent call last)"
_ERROR = re.compile(rf"\b(?:ERROR|CRITICAL|FATAL|PANIC)\b|{re.escape(_TRACE)}")
_OVERLAP_S = 1.0
"""Seconds of Lago's news that are read twice, as what is dated earlier may be there later."""

_SHOWN = 300
"""Characters of a row or a line that a message shows."""

_hands = ThreadPoolExecutor(5, thread_name_prefix="watch")


class UnexpectedChangeError(AssertionError):
    """Something changed, or was logged, that the scenario had no part in."""

    title = TITLE


class Watch:
    """What a target keeps and logs, looked at after every scenario.

    Args:
        target: whose systems are watched.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self.unseen = [setting for setting in _KEEPS if not target.has(setting)]
        self.exact = target.settings.watch == "exact" and not self.unseen
        self.beside_others = 0
        self._logs = Logs(target.settings.log_files)
        self._kept: Counter[str] = Counter()
        self._looked = time.monotonic()
        self._judged: set[str] = set()
        self._alone = True
        self._visits = 0
        self._others_until = 0.0

    def begin(self) -> None:
        """Look at everything for the first time."""
        if self.exact:
            self._kept, self._alone = self._look(), self._nobody_else()

    def logs(self, people: Iterable[Person], green: bool) -> None:
        """Require that since the last look no service logged an error, and none a provider key of these people.

        Raises:
            UnexpectedChangeError: with the line. Of a scenario that is red already, only a key is told.
        """
        keys = {key: person.alias for person in people for key in person.keys}
        new = self._logs.new_lines()
        for number, (service, line) in enumerate(new):
            for key, whose in keys.items():
                if key in line:
                    raise UnexpectedChangeError(f"the log of {service} shows the provider key of {whose}: {_cut(line)}")
            if green and _ERROR.search(line):
                raised = _raised(line for _, line in new[number:])
                raise UnexpectedChangeError(
                    f"{service} logged an error while all went well: {_cut(line)}{_cut(raised)}"
                )

    def judged(self, events: Iterable[str]) -> None:
        """Learn which events in Lago, by their transaction ids, the ledger has seen: Lago goes on keeping them."""
        self._judged.update(events)

    def everything(self, people: Iterable[Person]) -> None:
        """Require that, once its people are removed, a scenario has left every system as it was.

        Args:
            people: those of the scenario, by whom an event is told that came after the ledger was compared.

        Raises:
            UnexpectedChangeError: with what changed.
        """
        if not self.exact:
            return
        nobody_else = _hands.submit(self._nobody_else)
        before, self._kept = self._kept, self._look()
        alone, self._alone = self._alone, nobody_else.result()
        changed = [f"{what} (gone)" for what in (before - self._kept).elements() if not _passes(what)]
        changed += [f"{what} (new)" for what in (self._kept - before).elements()]
        if not changed:
            return
        if not (alone and self._alone):
            self.beside_others += 1
            return
        late = [
            f"{person.alias}: {what}"
            for what in changed
            for person in people
            if what.startswith((f"lago events: {person.subscription} ", f"lago events: {person.id} "))
        ]
        if late:
            raise UnexpectedChangeError(f"Lago has an event too many, after the ledger was compared: {_cut(late[0])}")
        more = f" and {counted(len(changed) - 3, 'more change')}" if len(changed) > 3 else ""
        raise UnexpectedChangeError(
            f"something changed that belongs to nobody of the scenario: {'; '.join(map(_cut, changed[:3]))}{more}"
        )

    def said(self) -> str:
        """What a reader has to know of how far the watch could see; empty when it saw everything."""
        if not self.exact:
            why = f"{' and '.join(self.unseen)} not named" if self.unseen else "Others use this target"
            return f"{why}: of what is not the run's own, only its bystanders were watched."
        if self.beside_others:
            scenarios = counted(self.beside_others, "scenario")
            return f"Another run was on this target: beside {scenarios} only the bystanders were watched."
        return ""

    def _nobody_else(self) -> bool:
        """Whether no other run, and no sweep, is here or has been since the last look.

        Of one that comes and goes between two looks the folder of the journals tells; what it had under way when it
        was killed may come to its end a moment later.
        """
        settings = self._target.settings
        visits, self._visits = self._visits, journal.last_visit(settings.journal_dir, settings.ops_center_url)
        if self._target.unicorn.has_other_runs(RUN) or visits not in (0, self._visits):
            self._others_until = time.monotonic() + SETTLES_S
        return time.monotonic() > self._others_until

    def _look(self) -> Counter[str]:
        looks: tuple[Callable[[], list[str]], ...] = (self._database, self._redis, self._lago, self._provider)
        return Counter(what for found in _hands.map(lambda look: look(), looks) for what in found)

    def _database(self) -> list[str]:
        return [f"unicorn_db {row['source']}: {row['row']}" for row in self._target.unicorn.everything()]

    def _redis(self) -> list[str]:
        return [f"Redis {key}: {value}" for key, value in self._target.counters.everything().items()]

    def _lago(self) -> list[str]:
        """What changed in Lago since the last look and was not judged: nobody there is ever quite removed."""
        before, self._looked = self._looked, time.monotonic()
        rows = self._target.lago_db.changes(self._looked - before + _OVERLAP_S, RUN)
        return [f"lago {row['source']}: {row['row']}" for row in rows if row["row"].split()[-1] not in self._judged]

    def _provider(self) -> list[str]:
        """Calls that nobody of any run made, or that came when their asker was gone."""
        return [
            f"the provider's journal: {call.caller} {call.request} with {call.key_fingerprint}"
            for call in self._target.provider.all_calls()
            if call.caller.startswith(RUN) or not made_by_a_run(call.caller)
        ]


class Logs:
    """Files to which the target's services write, read on from where they ended."""

    def __init__(self, files: Iterable[Path]) -> None:
        self._read = {path: _end(path) for path in files}

    def new_lines(self) -> list[tuple[str, str]]:
        """Every whole line since the last look, with the name of its service; of a new or emptied file all of them."""
        found = []
        for path, (number, end) in self._read.items():
            try:
                with path.open("rb") as file:
                    now = os.fstat(file.fileno())
                    begin = end if now.st_ino == number and now.st_size >= end else 0
                    file.seek(begin)
                    text = file.read()
            except FileNotFoundError:
                continue
            whole = text[: text.rfind(b"\n") + 1]
            self._read[path] = now.st_ino, begin + len(whole)
            lines = whole.decode("utf-8", "replace").split("\n")[:-1]
            found += [(path.stem, line.removesuffix("\r")) for line in lines]
        return found


def _end(path: Path) -> tuple[int, int]:
    """The file's number and its size; of one that is not there yet, 0 and 0."""
    try:
        now = path.stat()
    except FileNotFoundError:
        return 0, 0
    return now.st_ino, now.st_size


def _raised(lines: Iterable[str]) -> str:
    """What the stack trace raised with which these lines go on; empty where they don't."""
    trace = iter(lines)
    if _TRACE in next(trace, "") or _TRACE in next(trace, ""):
        return next((f" ... {line}" for line in trace if line[:1].strip()), "")
    return ""


def _passes(what: str) -> bool:
    """Whether it may go: what Redis keeps expires, and can be lost (contract, "Redis"); of Lago only news are read."""
    return what.startswith(("Redis ", "lago "))


def _cut(text: str) -> str:
    return redactor.clean(text[:_SHOWN] + ("..." if len(text) > _SHOWN else ""))
