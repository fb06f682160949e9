"""The users of the load test, as Locust runs them: each sends one LLM request after the other.

Locust patches the standard library, so this file runs in a process of its own and imports nothing of the suite. A
worker on another machine needs only this file: it gets its users, with their access tokens, from the first process.
The first process reads `plan.json` and `tokens.json` in the folder that `LOAD_FOLDER` names, and writes `sent.jsonl`.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import gevent
from gevent.queue import Queue
from locust import FastHttpUser, events, task
from locust.env import Environment
from locust.exception import StopUser
from locust.runners import LocalRunner, MasterRunner, WorkerRunner

PERSON, TOKENS, WANTED, SENT, DONE = "person", "tokens", "person wanted", "sent", "done"
"""The messages between the first process and the workers."""

WATCH_S = 0.5
"""How often the first process looks for new tokens, and each process for its parent."""

folder = Path(os.environ.get("LOAD_FOLDER", ""))
parent = int(os.environ.get("LOAD_PARENT", "0"))


class Crowd:
    """What the users of this process share.

    Attributes:
        began: when the test started, on this process's clock.
        coming: the people for the next users.
        tokens: access tokens by user name.
        sent: requests that are not in the file yet.
        waiting: the people that no user is yet.
        busy: how many users have not done everything yet.
        changed: when the file of the tokens was changed.
    """

    def __init__(self) -> None:
        self.began = 0.0
        self.coming: Queue[dict[str, Any]] = Queue()
        self.tokens: dict[str, str] = {}
        self.sent: list[dict[str, Any]] = []
        self.waiting: list[dict[str, Any]] = []
        self.busy = 0
        self.changed = 0.0


crowd = Crowd()


class SomeUser(FastHttpUser):
    """One user; they stop after the last stage."""

    insecure = False
    max_redirects = 0

    def on_start(self) -> None:
        """Get the person that this user is."""
        self.environment.runner.send_message(WANTED)
        self.person = crowd.coming.get(timeout=30)
        self.requests, self.begun = 0, False

    @task
    def send_requests(self) -> None:
        """Take part in each stage of this user, once."""
        if not self.begun:
            self.begun = True
            try:
                self._take_part()
            finally:
                self.environment.runner.send_message(DONE)
        raise StopUser

    def _take_part(self) -> None:
        for number, stage in enumerate(self.person["stages"]):
            if self.person["number"] < stage["users"]:
                # They begin one after the other, as people do.
                self._wait_until(stage["start"] + self.person["pause"] * self.person["number"] / stage["users"])
                while time.monotonic() - crowd.began < stage["end"]:
                    self._send(number, stage)
                    gevent.sleep(self.person["pause"])

    def _wait_until(self, moment: float) -> None:
        gevent.sleep(max(0.0, crowd.began + moment - time.monotonic()))

    def _send(self, number: int, stage: dict[str, Any]) -> None:
        person, system = self.person, self.person["systems"][stage["system"]]
        self.requests += 1
        mark = f"l{person['number']}x{self.requests}"
        headers = {
            **person["headers"],
            "Authorization": f"Bearer {system['token'] or crowd.tokens[person['name']]}",
            "Content-Type": "application/json",
        }
        row: dict[str, Any] = {
            "stage": number,
            "name": person["name"],
            "mark": mark,
            "status": 0,
            "headers": {},
            "text": "",
            "error": "",
        }
        name, began = f"{stage['system']}, {stage['users']} users", time.monotonic()
        # Locust counts a timeout as a failure of the request; one that comes later is of no interest.
        with (
            contextlib.suppress(gevent.Timeout),
            gevent.Timeout(person["timeout"]),
            self.client.post(
                system["url"],
                data=json.dumps(person["body"]).replace(person["mark"], mark),
                headers=headers,
                name=name,
                catch_response=True,
                allow_redirects=False,
            ) as answer,
        ):
            row |= {"status": answer.status_code, "text": answer.text or ""}
            row["error"] = str(getattr(answer, "error", None) or "")
            if row["status"]:
                row["headers"] = {k: v for k, v in answer.headers.items() if k.lower() in person["kept"]}
            if 400 <= row["status"] < 500:
                answer.success()
        row["milliseconds"] = (time.monotonic() - began) * 1000
        if not row["status"] and row["milliseconds"] >= person["timeout"] * 1000:
            row["error"] = f"did not answer within {person['timeout']:g} s"
        self.environment.runner.send_message(SENT, row)


@events.init.add_listener
def prepare(environment: Environment, **_: Any) -> None:
    """Register the messages, and watch what this process depends on."""
    runner: Any = environment.runner
    if parent:
        gevent.spawn(end_with_the_parent)
    if isinstance(runner, LocalRunner | WorkerRunner):
        runner.register_message(PERSON, lambda environment, msg, **_: crowd.coming.put(msg.data))
        runner.register_message(TOKENS, lambda environment, msg, **_: crowd.tokens.update(msg.data))
    if isinstance(runner, LocalRunner | MasterRunner):
        runner.register_message(WANTED, give_person)
        runner.register_message(SENT, lambda environment, msg, **_: crowd.sent.append(msg.data))
        runner.register_message(DONE, count_done)
        crowd.waiting = people(json.loads((folder / "plan.json").read_text("utf-8")))
        crowd.busy = len(crowd.waiting)
        gevent.spawn(watch_tokens, runner)
        gevent.spawn(write_again_and_again)


def people(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """Return all people, each with what all have in common."""
    common = {name: value for name, value in plan.items() if name != "people"}
    return [common | person | {"number": number} for number, person in enumerate(plan["people"])]


def give_person(environment: Environment, msg: Any, **_: Any) -> None:
    """Send the next person to the process that wants one."""
    if crowd.waiting:
        person = crowd.waiting.pop(0)
        runner: Any = environment.runner
        runner.send_message(TOKENS, {person["name"]: crowd.tokens[person["name"]]}, client_id=msg.node_id)
        runner.send_message(PERSON, person, client_id=msg.node_id)


def count_done(environment: Environment, **_: Any) -> None:
    """End the test when every user has done everything."""
    runner: Any = environment.runner
    crowd.busy -= 1
    if not crowd.busy:
        gevent.spawn(runner.quit)


def watch_tokens(runner: Any) -> None:
    """Read the tokens whenever they change, and pass them on."""
    file = folder / "tokens.json"
    while True:
        changed = file.stat().st_mtime
        if changed != crowd.changed:
            crowd.changed = changed
            crowd.tokens.update(json.loads(file.read_text("utf-8")))
            if isinstance(runner, MasterRunner):
                runner.send_message(TOKENS, crowd.tokens)
        gevent.sleep(WATCH_S)


def end_with_the_parent() -> None:
    """End this process when the one that started it has ended, and remove the folder that it left."""
    while os.getppid() == parent:
        gevent.sleep(WATCH_S)
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(3)


def write_again_and_again() -> None:
    """Write what was sent while the test runs, so that memory does not fill."""
    while True:
        gevent.sleep(WATCH_S)
        write()


def write() -> None:
    """Append what was sent to the file."""
    rows, crowd.sent = crowd.sent, []
    with (folder / "sent.jsonl").open("a", encoding="utf-8") as file:
        file.writelines(f"{json.dumps(row)}\n" for row in rows)


@events.test_start.add_listener
def start(**_: Any) -> None:
    """Start the clock of the stages."""
    crowd.began = time.monotonic()


@events.quitting.add_listener
def finish(environment: Environment, **_: Any) -> None:
    """Write the rest; end with an error if a user failed by itself."""
    runner: Any = environment.runner
    if isinstance(runner, WorkerRunner):
        return
    write()
    if runner.exceptions:
        first = next(iter(runner.exceptions.values()))
        (folder / "failed.txt").write_text(f"{first['msg']}", "utf-8")
        environment.process_exit_code = 4
