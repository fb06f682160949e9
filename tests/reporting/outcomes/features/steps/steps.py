# mypy: disable-error-code="no-untyped-call"

import os
import signal
import threading
from typing import Any

import allure
from behave import given, step, then, when
from behave.api.pending_step import StepNotImplementedError

from creditflow import evidence, expect, waiting
from creditflow.errors import NotTestableHere

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
    waiting.soon(lambda: expect.agree([expect.Finding("the balance is {}", next(looks), 9)]), 2)


@then("no second charge comes")
def nothing_comes(context: Any) -> None:
    waiting.never(lambda: False, 0.1, "a second charge came")


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
    raise NotTestableHere("the provider keeps no journal", "name a provider stand-in in PROVIDER_URL")


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
    evidence.attach_json("Answer", {"key": CANARY, "credits": 9991})
    evidence.attach_text("Log", "line one\nline two")
    thread = threading.Thread(target=evidence.attach_text, args=("From a thread", "side by side"))
    thread.start()
    thread.join()


@when("the report is told more")
def told(context: Any) -> None:
    allure.dynamic.title("A title given while it ran")
    allure.dynamic.severity(allure.severity_level.BLOCKER)
    allure.dynamic.label("owner", "billing")
    allure.dynamic.parameter("plan", "Professional")
