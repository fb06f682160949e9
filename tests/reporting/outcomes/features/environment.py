"""Hooks that fail where a tag (`@raise.before_scenario`) or `-D raise=before_all` asks for it."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import allure
from behave import fixture, use_fixture
from behave.model import Feature, Rule, Scenario, Step
from behave.runner import Context

from creditflow.core.errors import NotTestableError
from creditflow.core.redaction import redactor
from creditflow.reporting import evidence
from creditflow.reporting.environment import environment
from creditflow.reporting.record import Account, Service
from creditflow.reporting.recorder import recorder

CANARY = "canary-7Hx2/qP+9"


class UnusableError(Exception):
    """An error like that of wrong settings."""

    exit_status = 2


class AuditError(AssertionError):
    """An error like that of an audit after a scenario."""

    title = "The books agree"


def audit(asked: str) -> None:
    """Audit like after a real scenario: attach a table in a section, then pass or fail."""
    if asked == "differs-untitled":
        raise AssertionError("Acme has a row too many.")
    with evidence.section(AuditError.title):
        evidence.attach_table("Books", ("who", "found", "expected"), [("Acme", 10000, 9991)])
        books = Account(who="Acme", what=f"key {CANARY}", before=10000, after=10000, expected=9991, systems=("API",))
        recorder.current.accounts = (books,)
        print("the audit looked")
        if asked == "differs":
            raise AuditError("Acme has 10,000 credits, expected 9,991.")
        if asked == "blind":
            raise NotTestableError("the provider keeps no journal", "name a provider stand-in in PROVIDER_URL")
        if asked == "breaks":
            raise ValueError("no such table: purses")


def fail(name: str) -> None:
    raise RuntimeError(f"the {name} hook broke with {CANARY}")


def wanted(name: str, tags: list[Any]) -> None:
    if f"raise.{name}" in tags:
        fail(name)
    if f"exit.{name}" in tags:
        sys.exit(0)


def broken_removal() -> None:
    raise RuntimeError("the organisation Acme could not be removed")


@fixture
def exiting_fixture(context: Context, at_once: bool) -> Iterator[None]:
    if at_once:
        sys.exit(0)
    yield None
    sys.exit(0)


@fixture
def half_a_fixture(context: Context) -> Iterator[None]:
    yield None
    raise RuntimeError("the fixture could not be torn down")


def before_all(context: Context) -> None:
    url = context.config.userdata.get("target", "http://sut.example:8084")
    context.session = SimpleNamespace(settings=SimpleNamespace(ops_center_url=url))
    redactor.learn(CANARY)
    if folder := os.environ.get("REPORT_DIR"):
        recorder.report_dir = Path(folder)
    recorder.target = f"http://ops:{CANARY}@sut.example:8084"
    recorder.services = [Service(name="Keycloak", address=f"http://{CANARY}", version="26.7.4", state="up")]
    recorder.not_testable = [f"what a provider with the key {CANARY} was asked"]
    evidence.attach_text("welcome", "before anything ran")
    environment.add({"Ops-Center": f"http://ops:{CANARY}@127.0.0.1:8084, version 1.0", "Keycloak": "26.7.4"})
    for layer in context.config.userdata.get("cleanup", "").split():
        context.add_cleanup(broken_removal, layer=layer)
    context.broken = context.config.userdata.get("raise", "")
    if context.broken == "settings":
        raise UnusableError("KEYCLOAK_URL is not an http address; correct it in .env.")
    if context.broken == "before_all":
        fail("before_all")
    if context.broken == "exit in before_all":
        sys.exit(0)


def after_all(context: Context) -> None:
    allure.attach("the last words", name="farewell")
    evidence.attach_text("farewell to all", f"with {CANARY}")
    if context.broken == "after_all":
        fail("after_all")
    if context.broken == "exit in after_all":
        sys.exit(0)


def before_feature(context: Context, feature: Feature) -> None:
    if "cleanup.feature" in feature.tags:
        context.add_cleanup(broken_removal)
    wanted("before_feature", feature.tags)


def after_feature(context: Context, feature: Feature) -> None:
    wanted("after_feature", feature.tags)


def before_rule(context: Context, rule: Rule) -> None:
    if "cleanup.rule" in rule.tags:
        context.add_cleanup(broken_removal)
    wanted("before_rule", rule.tags)


def after_rule(context: Context, rule: Rule) -> None:
    wanted("after_rule", rule.tags)


def before_scenario(context: Context, scenario: Scenario) -> None:
    if "skip.it" in scenario.tags:
        scenario.skip("the deployment has no journal")
    if "fixture.half" in scenario.tags:
        use_fixture(half_a_fixture, context)
    if {"exit.fixture", "exit.fixture_end"} & set(scenario.tags):
        use_fixture(exiting_fixture, context, at_once="exit.fixture" in scenario.tags)
    if "cleanup.scenario" in scenario.tags:
        context.add_cleanup(broken_removal)
    wanted("before_scenario", scenario.tags)
    if "ctrl-c.before_scenario" in scenario.tags:
        os.kill(os.getpid(), signal.SIGINT)
    if "blind.before_scenario" in scenario.tags:
        raise NotTestableError("the target has no Lago", "set LAGO_API_URL")


def after_scenario(context: Context, scenario: Scenario) -> None:
    wanted("after_scenario", scenario.tags)
    if "ctrl-c.after_scenario" in scenario.tags:
        os.kill(os.getpid(), signal.SIGINT)
    for tag in scenario.tags:
        if tag.startswith("audit."):
            audit(tag.removeprefix("audit."))


def before_step(context: Context, step: Step) -> None:
    if step.name == "a hook before it breaks":
        fail("before_step")
    if step.name == "before_step exits":
        sys.exit(0)


def after_step(context: Context, step: Step) -> None:
    if step.name.endswith("a hook after it breaks"):
        fail("after_step")
    if step.name == "after_step exits":
        sys.exit(0)


def before_tag(context: Context, tag: str) -> None:
    if tag == "raise.before_tag":
        fail("before_tag")
    if tag == "exit.before_tag":
        sys.exit(0)


def after_tag(context: Context, tag: str) -> None:
    if tag == "raise.after_tag":
        fail("after_tag")
    if tag == "exit.after_tag":
        sys.exit(0)
