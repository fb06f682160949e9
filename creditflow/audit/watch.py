"""The watch: while a scenario ran, nothing changed but for its own people, and no service logged an error.

On a target that nobody else uses (`WATCH=exact`, as in the sandbox) all data of the systems is compared before and
after a scenario. Beside another run on the same target that is impossible, and the run reports so at its end. On every
target the bystanders are audited with each scenario.
"""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

from creditflow.actors.people import Person
from creditflow.cleanup import journal
from creditflow.core.expect import counted
from creditflow.core.interruption import SETTLES_S
from creditflow.core.naming import OF_A_RUN, RUN, made_by_a_run
from creditflow.core.redaction import redactor
from creditflow.core.workers import Shared, pool, together
from creditflow.target.drivers.provider import ProviderCall
from creditflow.target.target import Target

TITLE = "Nothing else happened"
"""The name of the watch in the report."""

_KEEPS = ("UNICORN_DB_URL", "REDIS_URL", "LAGO_DB_READ_URL", "PROVIDER_URL")
"""The settings of the systems that store data; an exact watch needs all of them."""

_TRACE = "Traceback (most recent call last)"
_ERROR = re.compile(rf"\b(?:ERROR|CRITICAL|FATAL|PANIC)\b|{re.escape(_TRACE)}")
_WORD = re.compile(rf"{OF_A_RUN[1:]}[1-9]\d*|[0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}|\b[0-9a-f]{{16}}\b")
"""A name of a run, an id, or a fingerprint."""

_UUID = 36
"""The number of characters of a UUID, which is never a part of another word."""

_CALLED_BY = "the provider's journal: "
_NEW = " (new)"

_SHOWN = 300
"""The number of characters of a row or a line in a message."""

_hands = pool(2, "watch")


class UnexpectedChangeError(AssertionError):
    """Something changed or was logged that does not belong to the scenario."""

    title = TITLE


class Watch(Shared):
    """Compares the data and the logs of a target after every scenario.

    Args:
        target: the systems to watch.
        beside: returns the names and ids of what other workers of this run have made; their changes are expected.

    Attributes:
        exact: whether all data is compared.
        unseen: the settings that an exact watch lacks.
        beside_others: the number of scenarios during which another run was on the target.
    """

    def __init__(self, target: Target, beside: Callable[[], Collection[str]] = frozenset) -> None:
        self._target, self._beside = target, beside
        self.unseen = [setting for setting in _KEEPS if not target.has(setting)]
        self.exact = target.settings.watch == "exact" and not self.unseen
        self.beside_others = 0
        self._logs, self._access = Logs(target.settings.log_files), Logs(target.settings.access_log_files)
        self._kept: Counter[str] = Counter()
        self._read_lago_at = ""
        self._judged: set[str] = set()
        self._new: set[str] = set()
        self._alone = True
        self._visits = 0
        self._others_until = 0.0

    def begin(self) -> None:
        """Read everything for the first time."""
        if self.exact:
            self._kept, self._alone = self._look(), self._nobody_else()

    def begin_in_worker(self) -> None:
        """Begin at the present state of the target."""
        self._logs, self._access = Logs(self._logs.files), Logs(self._access.files)
        self._new, self.beside_others = set(), 0
        self.begin()

    def news(self) -> Any:
        """Return what Lago has shown, and the number of scenarios beside another run, since the last news.

        What a worker has seen, its own scenarios have answered for.
        """
        found = self._new, self.beside_others
        self._new, self.beside_others = set(), 0
        return found

    def take(self, worker: int, news: Any) -> None:
        """Add the news of a worker."""
        self._judged |= news[0]
        self.beside_others += news[1]

    def logs(self, people: Iterable[Person], green: bool) -> None:
        """Require that no service has logged an error, or a provider key of these people, since the last look.

        Args:
            people: the people of the scenario.
            green: whether the scenario is green; of a red one only a logged key is reported.

        Raises:
            UnexpectedChangeError: with the line.
        """
        keys = {key: person.alias for person in people for key in person.keys}
        new = self._logs.new_lines()
        for service, line in [*new, *self._access.new_lines()]:
            for key, whose in keys.items():
                if key in line:
                    raise UnexpectedChangeError(f"the log of {service} shows the provider key of {whose}: {_cut(line)}")
        for number, (service, line) in enumerate(new):
            if green and _ERROR.search(line):
                raised = _raised(line for _, line in new[number:])
                raise UnexpectedChangeError(
                    f"{service} logged an error while all went well: {_cut(line)}{_cut(raised)}"
                )

    def judged(self, events: Iterable[str]) -> None:
        """Note the transaction ids of the events that the ledger has judged: Lago never removes them."""
        new = set(events)
        self._judged |= new
        self._new |= new

    def everything(self, people: Iterable[Person]) -> None:
        """Require that every system is as it was before a scenario, once its people are removed.

        Args:
            people: the people of the scenario, to recognise an event that came after the audit.

        Raises:
            UnexpectedChangeError: with the changes.
        """
        if not self.exact:
            return
        before, self._kept = self._kept, self._look()
        alone, self._alone = self._alone, self._nobody_else()
        changed = [f"{what} (gone)" for what in (before - self._kept).elements() if not _passes(what)]
        changed += [what + _NEW for what in (self._kept - before).elements()]
        beside = self._beside() if changed else ()
        changed = _without(self._with_keys(_without(changed, beside)), beside)
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
        """Return a sentence about what the watch could not see; empty if it saw everything."""
        if not self.exact:
            why = f"{' and '.join(self.unseen)} not named" if self.unseen else "Others use this target"
            return f"{why}: of what is not the run's own, only its bystanders were watched."
        if self.beside_others:
            scenarios = counted(self.beside_others, "scenario")
            return f"Another run was on this target: beside {scenarios} only the bystanders were watched."
        return ""

    def _nobody_else(self) -> bool:
        """Return whether no other run and no sweep is on the target, or was since the last look.

        The folder of the journals also shows those that came and went between two looks. Requests of a killed run may
        end a moment later.
        """
        settings = self._target.settings
        visits, self._visits = self._visits, journal.last_visit(settings.journal_dir, settings.ops_center_url)
        if self._target.unicorn.has_other_runs(RUN) or visits not in (0, self._visits):
            self._others_until = time.monotonic() + SETTLES_S
        return time.monotonic() > self._others_until

    def _look(self) -> Counter[str]:
        looks: tuple[Callable[[], Iterable[str]], ...] = (self._database, self._redis, self._lago, self._provider)
        kept: Counter[str] = Counter()
        for found in together(_hands, looks, here=2):
            kept.update(found)
        return kept

    def _database(self) -> list[str]:
        return [f"unicorn_db {row['source']}: {row['row']}" for row in self._target.unicorn.everything()]

    def _redis(self) -> list[str]:
        return [f"Redis {key}: {value}" for key, value in self._target.counters.everything().items()]

    def _lago(self) -> list[str]:
        """Return the changes in Lago since the last look that were not judged: Lago removes nobody completely."""
        rows, self._read_lago_at = self._target.lago_db.changes(self._read_lago_at, RUN)
        self._new.update(row["row"].split()[-1] for row in rows)
        return [f"lago {row['source']}: {row['row']}" for row in rows if row["row"].split()[-1] not in self._judged]

    def _provider(self) -> Counter[str]:
        """Count the calls of nobody in any run, and those of removed people of this run."""
        callers = self._target.provider.callers()
        return Counter(
            {
                _CALLED_BY + caller: calls
                for caller, calls in callers.items()
                if caller.startswith(RUN) or not made_by_a_run(caller)
            }
        )

    def _with_keys(self, changes: Iterable[str]) -> list[str]:
        """Add to each new call of the provider its request and key, which can show that it is another worker's."""
        calls: dict[str, list[ProviderCall]] = {}

        def told(what: str) -> str:
            if not (what.startswith(_CALLED_BY) and what.endswith(_NEW)):
                return what
            caller = what[len(_CALLED_BY) : -len(_NEW)]
            if caller not in calls:
                calls[caller] = self._target.provider.calls(caller)
            if not calls[caller]:
                return what
            call = calls[caller].pop()
            return f"{_CALLED_BY}{caller} {call.request} with {call.key_fingerprint}{_NEW}"

        return [told(what) for what in changes]


class Logs:
    """The log files of the target's services, each read from its last end."""

    def __init__(self, files: Iterable[Path]) -> None:
        self._read = {path: _end(path) for path in files}

    @property
    def files(self) -> list[Path]:
        """The files."""
        return list(self._read)

    def new_lines(self) -> list[tuple[str, str]]:
        """Return each complete line since the last look, or since a file is new or emptied, with its service's name."""
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
    """Return the inode number and the size of a file, or 0 and 0 if it does not exist yet."""
    try:
        now = path.stat()
    except FileNotFoundError:
        return 0, 0
    return now.st_ino, now.st_size


def _raised(lines: Iterable[str]) -> str:
    """Return the exception of the stack trace at the beginning of these lines; empty without one."""
    trace = iter(lines)
    if _TRACE in next(trace, "") or _TRACE in next(trace, ""):
        return next((f" ... {line}" for line in trace if line[:1].strip()), "")
    return ""


def _without(changes: Iterable[str], beside: Collection[str]) -> list[str]:
    """Return the changes without those that name something of `beside`.

    Most changes have a UUID of `beside`, many one after the other the same. Only the others are taken apart into words,
    which is slow. The id of an organisation is known a moment after its rows; its own row has its name, too.
    """
    ids, last, others = [one for one in beside if len(one) == _UUID], "", []
    for what in changes:
        if not (last and last in what):
            last = next((one for one in ids if one in what), "")
            others += [] if last else [what]
    changes = others
    words = {what: set(_WORD.findall(what)) for what in set(changes)}
    known = set(beside)
    known.update(*(found for what, found in words.items() if "organizations:" in what and not found.isdisjoint(beside)))
    return [what for what in changes if words[what].isdisjoint(known)]


def _passes(what: str) -> bool:
    """Return whether this may disappear: keys in Redis expire (contract, "Redis"), and Lago's rows are read once."""
    return what.startswith(("Redis ", "lago "))


def _cut(text: str) -> str:
    return redactor.clean(text[:_SHOWN] + ("..." if len(text) > _SHOWN else ""))
