# mypy: disable-error-code="no-untyped-call"

import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn

import allure
from behave import given, step, then, when
from behave.api.pending_step import StepNotImplementedError

from creditflow.core import expect, polling
from creditflow.core.errors import NotTestableError
from creditflow.reporting import evidence

CANARY = "canary-7Hx2/qP+9"


@step("all is well")
def well(context: Any) -> None:
    pass


@given("a table")
@given("a text")
def given_something(context: Any) -> None:
    assert context.table or context.text


@then("the balance is {found:d}, expected {expected:d}")
def balance(context: Any, found: int, expected: int) -> None:
    expect.holds(found == expected, f"The individual user has {found} credits, expected {expected}")


@then("it is claimed that the balance is right")
def claims(context: Any) -> None:
    assert context.text is None, "a bare assert does not count"


@then("soon the balance is 9")
def soon(context: Any) -> None:
    looks = iter((7, 8, 9))
    polling.soon(lambda: expect.agree([expect.Finding("the balance is", next(looks), 9)]), 2)


@then("no second charge comes")
def nothing_comes(context: Any) -> None:
    polling.never(lambda: False, 0.1, "a second charge came")


@then("side by side the balance is 9")
def side_by_side(context: Any) -> None:
    thread = threading.Thread(target=expect.holds, args=(True, "the balance is 8"))
    thread.start()
    thread.join()


@then("each of no charges is right")
def compares_nothing(context: Any) -> None:
    expect.agree([])


@then("the rest is skipped too")
def skips_at_the_end(context: Any) -> None:
    context.scenario.skip("there is no third member")


@when("the driver breaks")
def breaks(context: Any) -> None:
    raise ValueError("no such column: purse")


@when("nobody wrote this step")
def unwritten(context: Any) -> None:
    raise StepNotImplementedError("When nobody wrote this step")


@step("a hook before it breaks")
@step("a hook after it breaks")
def hooked(context: Any) -> None:
    pass


@then("the check fails and a hook after it breaks")
def fails_and_hook(context: Any) -> None:
    raise AssertionError("The individual user has 1 credit, expected 2.")


@then("the journal shows who paid")
def no_journal(context: Any) -> None:
    raise NotTestableError("the provider keeps no journal", "name a provider stand-in in PROVIDER_URL")


@then("a bare check fails")
def bare(context: Any) -> None:
    found = 8
    assert found == 9


@when("the rest is skipped")
def skip_rest(context: Any) -> None:
    context.scenario.skip("there is no second member")


@when("someone presses Ctrl-C")
def interrupted(context: Any) -> None:
    os.kill(os.getpid(), signal.SIGINT)


@when("the run is terminated")
def terminated(context: Any) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


@when("it says {secret}")
def says(context: Any, secret: str) -> None:
    print(f"printed {CANARY}")
    allure.attach(f"attached {CANARY}", name="what was said", attachment_type=allure.attachment_type.TEXT)


@then("the check with the secret fails")
def secret_fails(context: Any) -> None:
    raise AssertionError(f"Expected no key, found {CANARY} and Bearer abcdefgh12345678.")


@when("the ledger is attached")
def ledger(context: Any) -> None:
    rows = [("the individual user", 10000, 9991, 9991, ""), ("Acme", 10000, 9991, 10000, "9 too few")]
    evidence.attach_table("Ledger", ("who", "before", "after", "expected", "differs"), rows, marked=[1])
    evidence.attach_text("Answer", json.dumps({"key": CANARY, "credits": 9991}))
    evidence.attach_text("Log", "line one\nline two")
    thread = threading.Thread(target=evidence.attach_text, args=("From a thread", "side by side"))
    thread.start()
    thread.join()


@when("the report gets more details")
def add_details(context: Any) -> None:
    allure.dynamic.title("A title given while it ran")
    allure.dynamic.severity(allure.severity_level.BLOCKER)
    allure.dynamic.label("owner", "billing")
    allure.dynamic.parameter("plan", "Professional")


class OfItsOwnKind(BaseException):
    pass


class UnreadableError(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")


def in_a_pool(call: Callable[[int], object]) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(call, 0).result()


def in_a_thread(call: Callable[..., object], *args: object) -> None:
    thread = threading.Thread(target=call, args=args, name="bystander")
    thread.start()
    thread.join()


def throw(error: BaseException) -> NoReturn:
    raise error


ENDINGS: dict[str, Callable[[], object]] = {
    "sys.exit(0)": lambda: sys.exit(0),
    "sys.exit(None)": sys.exit,
    "sys.exit in words": lambda: sys.exit("all done"),
    "GeneratorExit": lambda: throw(GeneratorExit()),
    "KeyboardInterrupt": lambda: throw(KeyboardInterrupt()),
    "CancelledError": lambda: throw(asyncio.CancelledError()),
    "a kind of its own": lambda: throw(OfItsOwnKind("enough")),
    "os._exit(0)": lambda: os._exit(0),
    "sys.exit(0) in a pool": lambda: in_a_pool(sys.exit),
    "os._exit(0) in a pool": lambda: in_a_pool(os._exit),
    "sys.exit(0) in a thread": lambda: in_a_thread(sys.exit, 0),
    "an error in a thread": lambda: in_a_thread(throw, ValueError("no such column: purse")),
    "os._exit(0) in a thread": lambda: in_a_thread(os._exit, 0),
    "an error without a readable message": lambda: throw(UnreadableError()),
}


@when("a step ends by {what}")
def ends(context: Any, what: str) -> None:
    ENDINGS[what]()


@when("an async step ends by sys.exit")
async def ends_async(context: Any) -> None:
    await asyncio.sleep(0)
    sys.exit(0)


@when("before_step exits")
@when("after_step exits")
def hook_exits(context: Any) -> None:
    pass


@given("something to remove")
def to_remove(context: Any) -> None:
    name = context.scenario.name

    def remove() -> None:
        with Path("removed").open("a", encoding="utf-8") as file:
            file.write(f"{name}\n")

    context.add_cleanup(remove)


@given("a clean-up that exits")
def cleanup_exits(context: Any) -> None:
    context.add_cleanup(lambda: sys.exit(0))


@given("a removal of the suite's own that exits")
def removal_exits(context: Any) -> None:
    from creditflow.cleanup.cleanup import Cleanup  # noqa: PLC0415 - it brings every driver, which takes a second

    cleanup = Cleanup()
    cleanup.add_finalizer("the organisation Acme", lambda: sys.exit(0), lane="one")
    cleanup.add_finalizer("the user", lambda: print("removed"), lane="one")
    context.add_cleanup(cleanup.carry_out)


seen: set[str] = set()


@then("the first time {what} is wrong")
def first_time(context: Any, what: str) -> None:
    first = what not in seen
    seen.add(what)
    expect.holds(not first, f"{what} is wrong")


@when("a thread fails after the run")
def fails_late(context: Any) -> None:
    def outlast() -> None:
        threading.main_thread().join()
        raise ValueError(f"no such column: purse {CANARY}")

    threading.Thread(target=outlast, name="late").start()


@when("the process is killed")
def killed(context: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


ODD = "a\x1b[31mb\x00c]]>d\ud800e\ufffef\uffff\x9b"


@when("it fails with odd characters")
def odd(context: Any) -> None:
    print(ODD)
    print(ODD, file=sys.stderr)
    evidence.attach_text("odd", ODD)
    evidence.attach_text("odd", json.dumps({"odd": ODD}))
    allure.dynamic.parameter("odd", ODD)
    raise ValueError(ODD)
