"""Hooks that fail where a tag asks for it, with every secret in their errors."""

import json
import logging
from pathlib import Path
from typing import Any

import everything
from behave.model import Scenario, Step
from behave.runner import Context

from creditflow.core.redaction import redactor
from creditflow.reporting import evidence
from creditflow.reporting.environment import environment
from creditflow.reporting.recorder import recorder
from creditflow.target.settings import load

if everything.CRASH:
    redactor.learn(*load().secrets(), everything.secrets()["password"])
    raise RuntimeError(everything.text())


def fail(context: Any, name: str) -> None:
    if f"raise.{name}" in context.tags:
        raise RuntimeError(f"the {name} hook broke: {everything.text()}")


def broken_removal() -> None:
    raise RuntimeError(f"could not be removed: {everything.text()}")


def before_all(context: Context) -> None:
    if context.config.userdata.getbool("loud"):
        logging.basicConfig(level=logging.DEBUG, force=True)
    context.settings = load(context.config.userdata)
    redactor.learn(*context.settings.secrets(), everything.secrets()["password"])
    everything.make(context.settings)
    recorder.report_dir = Path("reports")
    evidence.attach_text(everything.text(), everything.text())
    environment.add({everything.text(): everything.text()})


def after_all(context: Context) -> None:
    evidence.attach_text("farewell", json.dumps({everything.text(): [everything.text()]}))


def before_scenario(context: Context, scenario: Scenario) -> None:
    if "raise.cleanup" in scenario.tags:
        context.add_cleanup(broken_removal)
    fail(context, "before_scenario")


def after_scenario(context: Context, scenario: Scenario) -> None:
    fail(context, "after_scenario")


def before_step(context: Context, step: Step) -> None:
    if step.name == "a hook breaks before this step":
        raise RuntimeError(everything.text())


def before_tag(context: Context, tag: str) -> None:
    if tag == "raise.before_tag":
        raise RuntimeError(everything.text())
