"""Runs random histories in behave's context, one after the other, and judges each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from behave.parser import parse_steps

from creditflow.actors.cast import Cast
from creditflow.audit.oracle import Decision
from creditflow.core.errors import NotTestableError, ServiceUnavailableError
from creditflow.run.exploration import judging, shrinking
from creditflow.run.exploration.finding import Finding, Seed, steps
from creditflow.run.exploration.judging import kind_of
from creditflow.run.exploration.sentences import Allowed, Sentence, history
from creditflow.run.exploration.situations import KNOWN, Situations
from creditflow.run.session import Session

REPEATS = 20
"""How often a finding is repeated that is only sometimes wrong."""
REPEATS_S = 60.0
"""When no further repetition begins, in seconds."""
BRIEFLY_S = 1.0
"""How long a smaller history waits for late values: they come within milliseconds."""
EVERY_S = 10.0
"""How often progress is reported, in seconds."""
MOST_UNRUN = 5
"""How many histories in a row may come to no end before the target itself must be the cause."""


_WAITS_FOR_THE_PROVIDER = "before the answer"
"""The end of a sentence that waits until the provider has a request; a refused request never reaches it."""


class NoHistoryError(Exception):
    """A history came to no end: a sentence has nothing to refer to, waits in vain, or a service does not answer."""


@dataclass
class Progress:
    """What was run so far."""

    histories: int = 0
    steps: int = 0
    requests: int = 0
    began: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Since the first history."""
        return time.monotonic() - self.began

    def sentence(self) -> str:
        """Return it as a line of progress."""
        minutes, seconds = divmod(round(self.seconds), 60)
        return f"{minutes}:{seconds:02} {self.histories:,} histories, {self.steps:,} steps, {self.requests:,} requests"


class Explorer:
    """Runs histories with the steps of the features.

    Args:
        context: behave's context in a running scenario.
        session: the run.
        report: prints a line.
    """

    def __init__(self, context: Any, session: Session, report: Callable[[str], object] = lambda line: None) -> None:
        self._context, self._session, self._report = context, session, report
        self._registry = context._runner.step_registry
        self.progress, self.situations = Progress(), Situations()
        self._decided: tuple[Decision, ...] = ()
        self._judged = 0

    def explore(
        self,
        seed: int,
        until: Callable[[Progress], bool],
        focus: str = "",
        roles: Sequence[str] = ("own", "members", "keys"),
        first: int = 1,
        allowed: Allowed | None = None,
    ) -> Finding | None:
        """Run the histories of a seed until one is wrong, or until this is true before the next one.

        Raises:
            NoHistoryError: :data:`MOST_UNRUN` histories in a row were not run to their end.
        """
        number, reported, unrun = first, time.monotonic(), 0
        while not until(self.progress):
            made = history(f"{seed}/{number}", allowed or self.allowed, focus, roles)
            try:
                found = self.run(made, self._session.settings.poll_timeout_s)
                unrun = 0
            except NoHistoryError as why:
                self._report(f"History {number} was not run to its end: {why}")
                self.progress.histories, found, unrun = self.progress.histories + 1, None, unrun + 1
                if unrun == MOST_UNRUN:
                    raise
            if found:
                return replace(found, seed=Seed(seed, number))
            number += 1
            if time.monotonic() - reported > EVERY_S:
                reported = time.monotonic()
                self._report(self.said())
        return None

    def said(self) -> str:
        """Return a line of progress."""
        return f"{self.progress.sentence()}, {self.situations.reached} of {len(KNOWN)} situations"

    @property
    def allowed(self) -> Allowed:
        """What the target allows."""
        stand_in, settings = self._session.target.has("PROVIDER_URL"), self._session.settings
        return Allowed(stand_in, False, stand_in or bool(settings.test_openrouter_key.get_secret_value()))

    def smaller(self, found: Finding, tries: int) -> Finding:
        """Return the finding with the smallest history that was still wrong, and how often that is wrong."""
        best = found

        def is_wrong(sentences: tuple[Sentence, ...]) -> bool:
            nonlocal best
            try:
                again = self.run(sentences, BRIEFLY_S)
            except NoHistoryError:
                return False
            if again is None or not found.same(again):
                return False
            best = replace(again, seed=found.seed)
            return True

        _, tried = shrinking.smallest(found.sentences, is_wrong, tries)
        self._report(f"Made smaller in {tried} tries: {len(found.sentences)} sentences became {len(best.sentences)}.")
        return self._repeated(best)

    def _repeated(self, found: Finding) -> Finding:
        """Return the finding with how often it is wrong: 3 times if it always is, else of `REPEATS` times."""
        until, red, runs, last = time.monotonic() + REPEATS_S, 0, 0, found
        while runs < 3 or (red < runs < REPEATS):
            if time.monotonic() > until and runs:
                break
            try:
                again = self.run(found.sentences, BRIEFLY_S)
            except NoHistoryError:
                break
            runs += 1
            if found.same(again) and again:
                red, last = red + 1, again
        if red == 0:  # it was wrong once, when it was found
            return found.repeated(1, runs + 1)
        return replace(last, seed=found.seed, sentences=found.sentences).repeated(red, runs)

    def run(self, sentences: Sequence[Sentence], seconds: float) -> Finding | None:
        """Run one history with people of its own, and return what was wrong; afterwards they are removed.

        Args:
            sentences: the history.
            seconds: how long late values are awaited.

        Raises:
            NoHistoryError: a sentence refers to one that is not there.
            CeilingReachedError: the run may send no more requests.
        """
        before = self._session.target.ceiling.requests
        finalizers: list[Callable[[], object]] = []
        found: Finding | None = None
        self._decided, self._judged = (), 0
        with self._scene(finalizers) as cast:
            cast.prepare(shrinking.newcomers(sentences))
            for number, sentence in enumerate(sentences, 1):
                self.progress.steps += 1
                found = self._act(sentences[:number], sentence) or self._answered(sentences[:number], cast)
                if found:
                    break
            if found:
                with suppress(AssertionError):  # what is logged meanwhile belongs to this history
                    self._session.watch.logs(cast.people, green=False)
            found = found or self._audited(tuple(sentences), cast, seconds)
        for finalizer in reversed(finalizers):
            try:
                finalizer()
            except AssertionError as change:
                found = found or Finding(tuple(sentences), "the watch", kind_of(str(change)), str(change))
        self._session.target.record.take()  # what the removal did
        self.situations.add(self._decided)
        self.progress.histories += 1
        self.progress.requests += self._session.target.ceiling.requests - before
        return found

    @contextmanager
    def _scene(self, finalizers: list[Callable[[], object]]) -> Iterator[Cast]:
        """Give the steps of one history a cast and a memory of their own."""
        context = self._context
        outer = context.cast, context.accounts, context.memory
        context.cast, context.accounts = self._session.scene(finalizers.append)
        context.memory = type(outer[2])()
        try:
            yield context.cast
        except BaseException:
            for finalizer in reversed(finalizers):
                with suppress(AssertionError):  # the history came to no end, so changes prove nothing
                    finalizer()
            self._session.target.record.take()
            raise
        finally:
            context.cast, context.accounts, context.memory = outer

    def _act(self, so_far: Sequence[Sentence], sentence: Sentence) -> Finding | None:
        [step] = parse_steps("\n".join(steps([sentence])))
        match = self._registry.find_match(step)
        if match is None:
            raise NoHistoryError(f"no step fits “{sentence.text}”")
        try:
            match.run(self._context)
        except (NotTestableError, LookupError) as why:
            raise NoHistoryError(f"“{sentence.text}” can't be run: {why}") from why
        except AttributeError as missing:
            if missing.obj is not self._context.memory:
                raise
            raise NoHistoryError(f"“{sentence.text}” refers to what did not happen: {missing}") from missing
        except (AssertionError, ServiceUnavailableError) as error:
            if sentence.text.endswith(_WAITS_FOR_THE_PROVIDER):
                raise NoHistoryError(f"“{sentence.text}”: {error}") from error
            return _finding(so_far, f"the step “{sentence.text}”", error)
        return None

    def _answered(self, so_far: Sequence[Sentence], cast: Cast) -> Finding | None:
        entries = list(self._session.target.record.entries)
        if len(entries) == self._judged:
            return None
        wrong, decided = judging.answers(self._session, cast, entries, self._judged)
        self._decided, self._judged = self._decided + decided, len(entries)
        return Finding(tuple(so_far), wrong.judge, wrong.kind, wrong.message) if wrong else None

    def _audited(self, sentences: tuple[Sentence, ...], cast: Cast, seconds: float) -> Finding | None:
        session, target = self._session, self._session.target
        try:
            if wrong := judging.accounts(session, cast, target.record.take(), seconds):
                return Finding(sentences, wrong.judge, wrong.kind, wrong.message)
        except ServiceUnavailableError as error:
            return _finding(sentences, "the ledger", error)
        try:
            session.watch.logs(cast.people, not target.outages.happened)
        except AssertionError as logged:
            return Finding(sentences, "the log", kind_of(str(logged)), str(logged))
        return None


def _finding(sentences: Sequence[Sentence], judge: str, error: AssertionError | ServiceUnavailableError) -> Finding:
    """Return an error as a finding.

    Raises:
        NoHistoryError: another service than Ops-Center does not answer, so that nothing can be judged.
    """
    if isinstance(error, ServiceUnavailableError) and error.service != "Ops-Center":
        raise NoHistoryError(str(error)) from error
    return Finding(tuple(sentences), judge, kind_of(str(error)), str(error))
