"""Steps that wait, and make a file in the folder of the run meanwhile."""

import os
import threading
import time
from pathlib import Path

from behave import given, when
from behave.runner import Context


@given("somebody with credits, an organisation and a key")
def somebody(context: Context) -> None:
    cast = context.cast
    person = cast.person("individual", "professional", 100)
    cast.organization("the organisation", person, 100)
    cast.provider_key()


@when("a step waits")
def step_waits(context: Context) -> None:
    _wait()


@given("a removal that waits")
def removal_waits(context: Context) -> None:
    context.cast._cleanup.add_finalizer("what takes long to remove", _wait, alone=True)


def _wait() -> None:
    Path(f"process-{os.getpid()}").touch()
    Path("waits").touch()
    until = time.monotonic() + float(os.environ["WAITS_S"])
    while time.monotonic() < until and not Path("go-on").exists():
        threading.Event().wait(0.05)
    Path("waited").touch()
