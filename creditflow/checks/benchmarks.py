"""The operations that the plan has benchmarks for, as they are measured from outside on any target (B1 to B6)."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from creditflow.actors.llm_requests import Answer, LlmRequest, send
from creditflow.actors.people import Person
from creditflow.checks.performance import Measurement, Samples, Stopwatch, timed
from creditflow.checks.refusals import Refusal
from creditflow.core.expect import holds
from creditflow.target.drivers.http import whole
from creditflow.target.target import Target

LANES = 8
"""How many LLM requests are under way at the same time: they mostly wait for the provider."""


class Benchmarks:
    """Measures operations of people on one target."""

    def __init__(self, target: Target, stopwatch: Stopwatch) -> None:
        self._target, self._stopwatch = target, stopwatch

    def signing_in(self, person: Person) -> Measurement:
        """Measure the token request with a password (B1)."""
        return self._stopwatch.alone("Signing in", "the token request with a password", lambda: timed(person.sign_in))

    def llm_request(self, person: Person, model: str, tokens: int) -> Measurement:
        """Measure whole LLM requests, from the first byte sent to the last byte of the answer (B2, F1.M1).

        Where a provider's journal exists, the platform's own share stands beside it: the whole request less the time
        that the provider took.
        """
        answers: list[Answer] = []

        def request() -> float:
            answers.append(self._answered(person, LlmRequest(model, tokens)))
            return answers[-1].reply.milliseconds

        measurement = self._stopwatch.alone(f"A {model} request", "the whole request", request, LANES)
        return replace(measurement, beside=self._own_share(person, answers[1:], "the platform's own share of it"))

    def deduction(self, person: Person, model: str, tokens: int, credits: int) -> Measurement:
        """Measure from an answer's last byte until the person's balance shows the charge (B3, F1.M2).

        Where a provider's journal exists, the platform's own share of the request stands beside it: the charge is in
        the answer, so a platform may deduct before it answers.

        Args:
            person: who sends the requests, one after the other.
            model: the plan's name of the model.
            tokens: that each request uses.
            credits: that each request costs by the feature.
        """
        before, charged, answers = self._credits(person), itertools.count(credits, credits), list[Answer]()

        def deduct() -> float:
            answers.append(self._answered(person, LlmRequest(model, tokens)))
            ended, expected = time.perf_counter(), before - next(charged)
            while (found := self._credits(person)) != expected:
                passed = time.perf_counter() - ended
                holds(
                    passed < self._target.settings.poll_timeout_s,
                    f"{person.alias} has {found:,} credits {passed:,.1f} s after the answer, expected {expected:,}",
                )
            return (time.perf_counter() - ended) * 1000

        measurement = self._stopwatch.alone("Deducting credits", "the time until the balance shows the charge", deduct)
        own = self._own_share(person, answers[1:], "the platform's own share of a request with a charge")
        return replace(measurement, beside=own)

    def refusal(
        self, person: Person, refusal: Refusal, request: LlmRequest, cheaper: Callable[[], float]
    ) -> Measurement:
        """Measure a refused request, in pairs with something cheaper (B4 to B6).

        Args:
            person: who is refused.
            refusal: with what, by the feature.
            request: that is refused.
            cheaper: does what the refused request does too but for what is measured; returns milliseconds.
        """
        return self._stopwatch.pairs(
            f"A refusal with {refusal.status} {refusal.words}".rstrip(),
            "the refused request",
            lambda: self.refused(person, refusal, request),
            cheaper,
        )

    def refused(self, person: Person, refusal: Refusal, request: LlmRequest) -> float:
        """Send a request that must be refused; returns its milliseconds."""
        answer = send(self._target.ops_center, person, request)
        holds(
            refusal.fits(answer.reply),
            f"{person.alias} was answered {answer.reply.status} {answer.code}, expected {refusal.status} "
            f"{refusal.words}: nothing can be measured by it",
        )
        return answer.reply.milliseconds

    def reading_history(self, person: Person) -> Measurement:
        """Measure a page of a person's past calls (EP8)."""

        def read() -> float:
            reply = self._target.ops_center.history(person.token)
            holds(reply.status == 200, f"the history of {person.alias} was answered {reply.status}, expected 200")
            return reply.milliseconds

        return self._stopwatch.alone("Reading the history", "a page of the history", read)

    def reading_keys(self, person: Person) -> float:
        """Read which keys a person has stored, the cheapest request that signs in; returns its milliseconds."""
        reply = self._target.ops_center.keys(person.token)
        holds(reply.status == 200, f"the stored keys of {person.alias} were answered {reply.status}, expected 200")
        return reply.milliseconds

    def _own_share(self, person: Person, answers: Sequence[Answer], name: str) -> tuple[Samples, ...]:
        """Return what requests took less the provider's time, or nothing without a provider's journal."""
        if not self._target.has("PROVIDER_URL"):
            return ()
        took = {call.request: call.milliseconds for call in self._target.provider.calls(person.name)}
        own = tuple(a.reply.milliseconds - took[a.request.mark] for a in answers if a.request.mark in took)
        return (Samples(name, own),) if own else ()

    def _answered(self, person: Person, request: LlmRequest) -> Answer:
        answer = send(self._target.ops_center, person, request)
        holds(
            answer.arrived,
            f"{person.alias} got no answer while it was measured: status {answer.reply.status} {answer.code}",
        )
        return answer

    def _credits(self, person: Person) -> int:
        reply = self._target.ops_center.balance(person.token)
        credits = whole(reply.body.get("credits"))
        if credits is None:
            raise AssertionError(f"the balance of {person.alias} has no credits: {reply.status} {reply.text[:200]}")
        return credits
