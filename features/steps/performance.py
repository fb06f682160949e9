"""How long operations take, measured from outside."""

from collections.abc import Callable

from behave import given, then, when

from creditflow.actors.llm_requests import LlmRequest
from creditflow.actors.people import Person
from creditflow.checks import performance
from creditflow.checks.benchmarks import Benchmarks
from creditflow.checks.performance import Benchmark, Measurement
from creditflow.checks.performance_history import run_figures
from creditflow.checks.refusals import Refusal
from creditflow.checks.speed_over_time import require_no_loss
from features.memory import CreditContext


@given("a stand-in that answers {who} takes {number} ms")
def provider_takes(context: CreditContext, who: str, milliseconds: int) -> None:
    """Slow the stand-in down; a real provider takes its own time."""
    if context.target.has("PROVIDER_URL"):
        context.cast.trouble(context.cast.subject(who), "slow", milliseconds / 1000)


@given("what this run has measured is not measured again")
def reuse_measurements(context: CreditContext) -> None:
    context.memory.reuses_measurements = True


@when("signing in as {who} is measured")
def measure_sign_in(context: CreditContext, who: str) -> None:
    person = context.cast.subject(who)
    _measure(context, "signing in", lambda benchmarks: benchmarks.signing_in(person))


@when("{whose} {model} request that uses {number} tokens is measured")
def measure_request(context: CreditContext, who: str, model: str, tokens: int) -> None:
    person = context.cast.subject(who)
    key = f"a {model} request of {tokens} tokens"
    _measure(context, key, lambda benchmarks: benchmarks.llm_request(person, model, tokens))


@when("the deduction of {number} credits for {whose} {model} request that uses {number} tokens is measured")
def measure_deduction(context: CreditContext, credits: int, who: str, model: str, tokens: int) -> None:
    person = context.cast.subject(who)
    key = f"the deduction of {credits} credits"
    _measure(context, key, lambda benchmarks: benchmarks.deduction(person, model, tokens, credits))


@when("reading the history of {who} is measured")
def measure_history(context: CreditContext, who: str) -> None:
    person = context.cast.subject(who)
    _measure(context, "reading the history", lambda benchmarks: benchmarks.reading_history(person))


@when("the refusal with {refusal} of {whose} {model} request that uses {number} tokens is measured")
def measure_refusal(context: CreditContext, refusal: Refusal, who: str, model: str, tokens: int) -> None:
    person, request = context.cast.subject(who), LlmRequest(model, tokens)
    _measure_refusal(context, refusal, person, request, lambda benchmarks: benchmarks.reading_keys(person))


@when("the refusal with {refusal} of {whose} {model} request with their own key is measured")
def measure_refusal_of_own_key(context: CreditContext, refusal: Refusal, who: str, model: str) -> None:
    person, request = context.cast.subject(who), LlmRequest(model, 100, own_key=True)
    _measure_refusal(context, refusal, person, request, lambda benchmarks: benchmarks.reading_keys(person))


@when(
    "the refusal with {refusal} of {whose} {model} request that uses {number} tokens is measured beside "
    "that with {refusal} of {whose}"
)
def measure_two_refusals(
    context: CreditContext, refusal: Refusal, who: str, model: str, tokens: int, cheaper: Refusal, other: str
) -> None:
    neighbour, person = context.cast.subject(other), context.cast.subject(who)
    request = LlmRequest(model, tokens)
    _measure_refusal(
        context,
        refusal,
        person,
        request,
        lambda benchmarks: benchmarks.refused(neighbour, cheaper, LlmRequest(model, tokens)),
    )


@then("{number}% of the samples take {number} ms or less")
def keeps_limit(context: CreditContext, percent: int, limit: int) -> None:
    _require(context, Benchmark(percent, limit))


@then("{number}% of the samples take {number} ms or less; the plan expects {number} ms, and no less than {number} ms")
def keeps_range(context: CreditContext, percent: int, limit: int, expected: int, fastest: int) -> None:
    _require(context, Benchmark(percent, limit, expected, fastest))


@then("no operation is slower than in earlier runs")
def no_slower(context: CreditContext) -> None:
    """Compare with earlier runs where there are at least three; the attached table says how."""
    require_no_loss(context.target, context.memory.measurements)


def _measure(context: CreditContext, key: str, measure: Callable[[Benchmarks], Measurement]) -> None:
    def again() -> Measurement:
        with performance.stopwatch() as watch:
            return measure(Benchmarks(context.target, watch))

    memory = context.memory
    known = run_figures.measured(key) if memory.reuses_measurements else None
    memory.measure_again, memory.measurement = again, known or again()
    memory.measurements += (memory.measurement,)
    run_figures.keep(key, memory.measurement)


def _measure_refusal(
    context: CreditContext,
    refusal: Refusal,
    person: Person,
    request: LlmRequest,
    cheaper: Callable[[Benchmarks], float],
) -> None:
    _measure(
        context,
        f"a refusal with {refusal.status} {refusal.words}",
        lambda benchmarks: benchmarks.refusal(person, refusal, request, lambda: cheaper(benchmarks)),
    )


def _require(context: CreditContext, benchmark: Benchmark) -> None:
    memory = context.memory
    first = memory.measurement
    memory.measurement = performance.measured(first, memory.measure_again, benchmark)
    run_figures.settle(context.target, first, memory.measurement, benchmark.limit)
    performance.require(benchmark, memory.measurement)
