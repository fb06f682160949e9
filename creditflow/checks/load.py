"""What is judged of a load test: every answer, and two ratios of figures that one run measured side by side."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable

from creditflow.actors.load.plan import LITELLM, OPS_CENTER, Load, Sent
from creditflow.checks import refusals
from creditflow.checks.performance import NOISE, Samples
from creditflow.checks.refusals import Refusal
from creditflow.core.errors import TooBusyError
from creditflow.core.expect import counted, holds, times
from creditflow.core.machine import ROOM
from creditflow.core.prices import PriceList
from creditflow.reporting import evidence


def attach(load: Load) -> None:
    """Attach the figures of each part of the load, and Locust's report."""
    parts = {(s.users, s.system): s.system for s in load.plan.stages}
    rows = []
    for users, system in parts:
        sent = load.of(system, users)
        took = _answer_times(sent)
        shown = (f"{statistics.median(took):,.0f} ms", f"{_p95(took):,.0f} ms") if len(took) > 1 else ("", "")
        rows.append((users, system, len(sent), len(took), f"{_rate(load, system, users):.1f}", *shown))
    evidence.attach_table(
        f"{counted(len(load.sent), 'request')} of {counted(len(load.plan.users), 'user')}",
        ("users", "system", "requests", "answers", "answers a second", "median", "95 of 100"),
        rows,
    )
    if load.page:
        evidence.attach_page("Locust's report", load.page)


def everybody_took_part(load: Load) -> None:
    """Require at least one request of each user to Ops-Center."""
    asked = {one.user.person.alias for one in load.sent if one.stage.system == OPS_CENTER}
    missing = [user.person.alias for user in load.plan.users if user.person.alias not in asked]
    holds(
        not missing,
        f"{counted(len(missing), 'user')} of {len(load.plan.users):,} sent nothing, such as {', '.join(missing[:3])}",
    )


def no_server_error(load: Load) -> None:
    """Require that Ops-Center answered every request, and none with a status of 500 or more.

    Raises:
        AssertionError: with the number of server errors, and how often each was given.
        TooBusyError: there were nothing but timeouts, and the machine is too busy to judge a time.
    """
    wrong = [one for one in _at_ops_center(load) if one.reply is None or one.reply.status >= 500]
    if wrong and all(one.reply is None or one.reply.status == 504 for one in wrong):
        _require_room(load)
    holds(not wrong, f"{_of_all(wrong, load)} ended in a server error or without an answer: {_shown(wrong)}")


def answered_or_refused(load: Load, refusal: Refusal, prices: PriceList) -> None:
    """Require a complete answer to each request, or the refusal if the person's credits do not suffice.

    A person sends one request after the other, so it is known what they have left. All refusals must have the
    contract's form; people with a key of their own are never refused.
    """
    everybody_took_part(load)
    price = prices.charge(load.plan.model, load.plan.tokens)
    wrong: list[Sent] = []
    of_person = {user.person.name: user.credits for user in load.plan.users}
    for one in _at_ops_center(load):
        name = one.user.person.name
        if one.answered:
            of_person[name] -= 0 if one.user.own_key else price
        elif one.reply is None or one.user.own_key or of_person[name] >= price or not refusal.fits(one.reply):
            wrong.append(one)
    holds(not wrong, f"{_of_all(wrong, load)} got neither an answer nor the agreed refusal: {_shown(wrong)}")
    for one in _at_ops_center(load):
        if one.reply and not one.answered:
            refusals.refused(one.reply, refusal, one.user.person.alias, lambda: "")


def median_ratio(load: Load, few: int, many: int, most: int) -> None:
    """Require that the median answer takes many users at most `most` percent of what it takes a few.

    Raises:
        AssertionError: it takes longer; the sentence has the figures.
        TooBusyError: the machine is too busy to judge it.
    """
    one, other = (_median(load, OPS_CENTER, users) for users in (few, many))
    _require_quiet(load, one)
    kept = 100 * other <= most * one
    if not kept:
        _require_room(load)
    holds(
        kept,
        f"the median answer takes {many:,} users {other:,.0f} ms, {other / one:.1%} of the {one:,.0f} ms that it takes "
        f"{few:,}, expected {most}% at most",
    )


def throughput_ratio(load: Load, users: int, least: int) -> None:
    """Require that Ops-Center gives at least `least` percent of the answers that the same users get from LiteLLM.

    Raises:
        AssertionError: it gives less; the sentence has the figures.
        TooBusyError: the machine is too busy to judge it.
    """
    ours, theirs = (_rate(load, system, users) for system in (OPS_CENTER, LITELLM))
    holds(theirs > 0, f"LiteLLM gave {users:,} users no answer, so there is nothing to compare with")
    _require_quiet(load, _median(load, LITELLM, users))
    kept = 100 * ours >= least * theirs
    if not kept:
        _require_room(load)
    holds(
        kept,
        f"{users:,} users get {ours:,.1f} answers a second from Ops-Center, {ours / theirs:.1%} of the "
        f"{theirs:,.1f} that they get from LiteLLM directly, expected {least}% at least",
    )


def _require_quiet(load: Load, median: float) -> None:
    """Require that the machine itself, by the probe, does not use up too much of an answer's time.

    Raises:
        TooBusyError: it does.
    """
    probe = Samples("an echo on this machine", load.probe)
    if len(load.probe) < 2 or probe.p95 > median * NOISE:
        took = f"takes {probe.p95:,.1f} ms" if len(load.probe) > 1 else "was never answered"
        raise TooBusyError(
            f"Too busy to measure: a request that needs no product {took} on this machine (95 of 100), more than a "
            f"fifth of the {median:,.0f} ms of the median answer: run it again when the machine has less to do."
        )


def _require_room(load: Load) -> None:
    """Require that other programs leave this machine room, so that a slow answer is the product's fault.

    Raises:
        TooBusyError: they do not.
    """
    if min(load.idle) < ROOM:
        raise TooBusyError(
            f"Too busy to measure: other programs leave {load.idle[0]:.1f} cores of this machine before the load and "
            f"{load.idle[1]:.1f} after it, fewer than {ROOM}: run it again when the machine has less to do."
        )


def _at_ops_center(load: Load) -> list[Sent]:
    return [one for one in load.sent if one.stage.system == OPS_CENTER]


def _answer_times(sent: Iterable[Sent]) -> tuple[float, ...]:
    return tuple(one.milliseconds for one in sent if one.answered)


def _median(load: Load, system: str, users: int) -> float:
    took = _answer_times(load.of(system, users))
    holds(bool(took), f"{system} gave {users:,} users no answer, so nothing can be measured")
    return statistics.median(took)


def _p95(times: tuple[float, ...]) -> float:
    return Samples("", times).p95


def _rate(load: Load, system: str, users: int) -> float:
    """Return the answers in a second: so many users, each of whom is busy with a request and the pause after it.

    Unlike a count, it does not depend on where the end of a part cuts the last requests off. Refusals are answers too,
    because a user who is refused goes on as well.
    """
    sent = load.of(system, users)
    replies = sum(one.reply is not None and one.reply.status < 500 for one in sent)
    spent = sum(one.milliseconds / 1000 + load.plan.pause_s for one in sent)
    return users * replies / spent if spent else 0.0


def _of_all(wrong: list[Sent], load: Load) -> str:
    return f"{len(wrong):,} of {counted(len(_at_ops_center(load)), 'request')}"


def _shown(wrong: list[Sent]) -> str:
    """Return how often each answer was given, the most frequent first."""
    kinds = Counter(
        f"status {one.reply.status} {one.reply.body.get('code', '')}".rstrip()
        if one.reply
        else one.error or "the connection was closed"
        for one in wrong
    )
    named = ", ".join(f"{times(count)} {kind}" for kind, count in kinds.most_common(3))
    return f"{named}; the first is of {wrong[0].user.person.alias}" if wrong else ""
