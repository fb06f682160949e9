# mypy: disable-error-code="no-untyped-call"

import gc
import json
import logging
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import allure
from behave import given, step, then, when
from behave.api.pending_step import StepNotImplementedError
from everything import secrets, text

from creditflow.core import expect
from creditflow.core.errors import NotTestableError
from creditflow.reporting import evidence
from creditflow.target.settings import load
from creditflow.target.target import Target

WAYS = {"refuses who asks": "401", "breaks": "500", "answers garbage": "200"}


@step("all is well")
def well(context: Any) -> None:
    expect.holds(True, "all is well")


@given("the table")
def table(context: Any) -> None:
    evidence.attach_table("Keys", ("key", text()), [(text(), 1), (json.dumps(text()), 2)], marked=[1])


@when("everything is written in every way")
def every_way(context: Any) -> None:
    print(text())
    sys.stderr.write(text() + "\n")
    for secret in secrets().values():
        sys.stdout.write(secret[:7])
        sys.stdout.write(secret[7:] + "\n")
        print(secret[:11], end="", flush=True)
        print(secret[11:])
        sys.stdout.buffer.write(f"{secret}\n".encode())
    logging.getLogger("driver").error("could not sign in: %s", text())
    try:
        int(text())
    except ValueError:
        logging.getLogger("driver").exception("broke", stack_info=True)
    allure.attach(text(), name=text(), attachment_type=allure.attachment_type.TEXT)
    allure.attach(b"\x89PNG\xff\x00" + text().encode(), name="picture", attachment_type=allure.attachment_type.PNG)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "text.txt")
        file.write_text(text(), "utf-8")
        allure.attach.file(str(file), name=text())
    evidence.attach_text(text(), json.dumps({text(): {"deep": [text()]}}))
    with evidence.section(text()):
        evidence.attach_text("within", text())
    allure.dynamic.title(text())
    allure.dynamic.label("owner", text())
    allure.dynamic.parameter(text(), text())
    allure.dynamic.description(text())
    allure.dynamic.link(f"https://example.org/?{secrets()['password']}", name=text())
    thread = threading.Thread(target=evidence.attach_text, args=(text(), text()))
    thread.start()
    thread.join()


@then("a check fails")
def fails(context: Any) -> None:
    raise AssertionError(text())


@when("the driver breaks")
def breaks(context: Any) -> None:
    cause = KeyError(text())
    cause.add_note(text())
    raise ValueError(text()) from cause


@when("the step is not written")
def pending(context: Any) -> None:
    raise StepNotImplementedError(text())


@then("nothing is compared")
def nothing(context: Any) -> None:
    print(text())


@then("the target shows nothing")
def not_testable(context: Any) -> None:
    raise NotTestableError(text(), text())


@when("the rest is skipped")
def skipped(context: Any) -> None:
    context.scenario.skip(text())


@when("a hook breaks before this step")
def hooked(context: Any) -> None:
    pass


def _die() -> None:
    raise RuntimeError(text())


@when("a thread dies of it")
def thread_dies(context: Any) -> None:
    thread = threading.Thread(target=_die, name=secrets()["password"])
    thread.start()
    thread.join()


class _Dying:
    def __del__(self) -> None:
        raise RuntimeError(text())


@when("an object dies of it")
def object_dies(context: Any) -> None:
    _Dying()
    gc.collect()


@when("a warning is given")
def warned(context: Any) -> None:
    warnings.warn(text(), stacklevel=1)


@when("someone presses Ctrl-C")
def interrupted(context: Any) -> None:
    raise KeyboardInterrupt


@when("{service} is asked and {way}")
def service_fails(context: Any, service: str, way: str) -> None:
    """Ask one service, which fails in one way, and leave its answers and errors unhandled."""
    target = Target(context.settings.model_copy(update=_bent(context, service, way)))
    keep = secrets()
    token, key, password = keep["access token"], keep["provider key"], keep["password"]
    asked: dict[str, list[Callable[[], object]]] = {
        "Ops-Center": [
            lambda: target.ops_center.http.send("POST", "/api/v1/keys", token=token, body={"key": key}),
            target.ops_center.status,
        ],
        "Keycloak": [
            lambda: target.keycloak.token("somebody", password),
            lambda: target.keycloak.create_user("somebody", "somebody@example.org", password, {}),
            target.keycloak.check,
        ],
        "Lago": [lambda: target.lago.create_customer("somebody", password, key), target.lago.check],
        "LiteLLM": [lambda: target.litellm.http.send("GET", "/models", token=key), target.litellm.models],
        "Provider": [lambda: target.provider.open_account("openrouter", key), target.provider.check],
        "PostgreSQL": [
            lambda: target.unicorn.database.rows("SELECT %s", key),
            lambda: target.grants.database.rows("SELECT %s", key),
            lambda: target.lago_db.database.rows("SELECT %s", key),
        ],
        "Redis": [lambda: target.counters.calls(key, password), target.counters.version],
    }
    wrong: list[Exception] = []
    for ask in asked[service]:
        try:
            reply = ask()
        except Exception as error:
            wrong.append(error)
        else:
            evidence.attach_text("Reply", f"{reply!r}\n{getattr(reply, 'text', '')}\n{getattr(reply, 'headers', '')}")
            wrong.append(AssertionError(f"{service} answered {getattr(reply, 'text', reply)!s:.900}"))
    raise ExceptionGroup(f"{service} {way}", wrong)


def _bent(context: Any, service: str, way: str) -> dict[str, Any]:
    """Return the settings of a service that fails in one way."""
    ports = json.loads(context.config.userdata["ports"])
    setting = {
        "Ops-Center": "ops_center_url",
        "Keycloak": "keycloak_url",
        "Lago": "lago_api_url",
        "LiteLLM": "litellm_url",
        "Provider": "provider_url",
        "Redis": "redis_url",
    }
    kind = {"PostgreSQL": "postgresql", "Redis": "redis"}.get(service, "http")
    port = 1 if way == "refuses connections" else ports[kind]
    if kind == "http":
        return {setting[service]: f"http://127.0.0.1:{port}/{WAYS.get(way, '500')}"}
    if way == "answers garbage":
        port = ports["garbage"]
    names = ["redis_url"] if kind == "redis" else ["unicorn_db_url", "unicorn_db_read_url", "lago_db_read_url"]
    urls = {name: getattr(context.settings, name).get_secret_value() for name in names}
    given = {name.upper(): url.replace(":7/", f":{port}/") for name, url in urls.items()}
    bent = load({**context.config.userdata, **given})
    return {name: getattr(bent, name) for name in names}
