"""Steps that wait, each in its own way."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from behave import given, then, when
from behave.runner import Context

from creditflow.cleanup.cleanup import Cleanup
from creditflow.core import expect
from creditflow.core.wait_statistics import waits


def _removed() -> None:
    with Path("removed.txt").open("a") as file:
        file.write("one resource\n")


@given("something that has to be removed")
def has_to_be_removed(context: Context) -> None:
    cleanup = Cleanup()
    context.add_cleanup(cleanup.carry_out)
    cleanup.add_finalizer("the resource", _removed)


@given("something whose removal never ends")
def is_never_removed(context: Context) -> None:
    cleanup = Cleanup()
    context.add_cleanup(cleanup.carry_out)
    cleanup.add_finalizer("the first resource", _removed, alone=True)
    cleanup.add_finalizer("the last resource", threading.Event().wait)


@when("Keycloak is waited for {seconds:g} s")
def waits_for_keycloak(context: Context, seconds: float) -> None:
    with waits.on("Keycloak"):
        threading.Event().wait(seconds)


@when("everything that is raised is caught for {seconds:g} s")
def catches_everything(context: Context, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with suppress(Exception):
            threading.Event().wait(seconds)


@when("ten threads wait for Redis for ever")
def threads_wait(context: Context) -> None:
    def ask(_: int) -> None:
        with waits.on("Redis"):
            threading.Event().wait()

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(ask, range(10)))


@then("all is well")
def all_is_well(context: Context) -> None:
    expect.holds(True, "never")
