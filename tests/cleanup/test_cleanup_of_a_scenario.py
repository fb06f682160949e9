"""Finalizers run in reverse order, side by side where no order is needed, and all of them even if some fail."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

import pytest

from creditflow.cleanup.cleanup import Cleanup, LeftBehindError


def noting(removed: list[str], name: str) -> Callable[[], None]:
    return lambda: removed.append(name)


def test_removals_that_stand_alone_run_in_the_reverse_order() -> None:
    cleanup, removed = Cleanup(), list[str]()
    for name in ("first", "second", "third"):
        cleanup.add_finalizer(name, noting(removed, name), alone=True)
    cleanup.carry_out()
    assert removed == ["third", "second", "first"]


def test_what_stands_alone_waits_for_the_later_and_is_waited_for_by_the_earlier() -> None:
    cleanup, removed = Cleanup(), list[str]()
    for name in ("user 1", "user 2"):
        cleanup.add_finalizer(name, noting(removed, name))
    cleanup.add_finalizer("organisation", noting(removed, "organisation"), alone=True)
    for name in ("member 1", "member 2"):
        cleanup.add_finalizer(name, noting(removed, name))
    cleanup.carry_out()
    assert sorted(removed[:2]) == ["member 1", "member 2"]
    assert removed[2] == "organisation"
    assert sorted(removed[3:]) == ["user 1", "user 2"]


def test_removals_that_need_no_order_run_side_by_side() -> None:
    cleanup = Cleanup()
    meeting = threading.Barrier(3, timeout=60)
    for name in ("a", "b", "c"):
        cleanup.add_finalizer(name, meeting.wait)
    cleanup.carry_out()


def test_two_that_stand_alone_are_not_taken_together() -> None:
    cleanup, running, most = Cleanup(), list[int](), list[int]()
    lock = threading.Lock()

    def watched() -> None:
        with lock:
            running.append(1)
            most.append(len(running))
        threading.Event().wait(0.05)
        with lock:
            running.pop()

    cleanup.add_finalizer("one", watched, alone=True)
    cleanup.add_finalizer("two", watched, alone=True)
    cleanup.carry_out()
    assert most == [1, 1]


def test_all_of_it_is_removed_even_when_part_fails_and_what_is_left_is_named() -> None:
    cleanup, removed = Cleanup(), list[str]()

    def refused() -> None:
        raise RuntimeError("Keycloak answered 500")

    def gone() -> None:
        raise OSError("no route")

    cleanup.add_finalizer("the first", noting(removed, "the first"))
    cleanup.add_finalizer("the Keycloak user cf-1", refused)
    cleanup.add_finalizer("the organisation", gone, alone=True)
    cleanup.add_finalizer("the last", noting(removed, "the last"))
    with pytest.raises(LeftBehindError) as left:
        cleanup.carry_out()
    assert removed == ["the last", "the first"]
    assert str(left.value) == (
        "This could not be removed and is still on the target: "
        "the organisation (no route); the Keycloak user cf-1 (Keycloak answered 500)."
    )


def test_a_message_about_many_names_the_first_and_counts_the_others() -> None:
    cleanup = Cleanup()

    def refused(number: int) -> None:
        raise RuntimeError(f"Keycloak answered {500 + number // 1000}")

    for number in range(1_500):
        cleanup.add_finalizer(f"user {number}", partial(refused, number))
    with pytest.raises(LeftBehindError) as left:
        cleanup.carry_out()
    newest, oldest = (
        ", ".join(f"user {n}" for n in range(1499, 1489, -1)),
        ", ".join(f"user {n}" for n in range(999, 989, -1)),
    )
    assert str(left.value) == (
        f"This could not be removed and is still on the target: {newest}, and 490 more (Keycloak answered 501); "
        f"{oldest}, and 990 more (Keycloak answered 500)."
    )


def test_a_finalizer_runs_only_once() -> None:
    cleanup, removed = Cleanup(), list[str]()
    cleanup.add_finalizer("once", noting(removed, "once"))
    cleanup.carry_out()
    cleanup.carry_out()
    assert removed == ["once"]


def test_without_finalizers_nothing_happens() -> None:
    Cleanup().carry_out()
