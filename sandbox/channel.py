"""How others speak to the supervisor: a named pipe that whoever needs the sandbox holds open.

As long as somebody holds it open, the sandbox is needed; the system closes it for a process that dies,
however it dies.
A request is a line of JSON; its answer comes through a named pipe of the asker's.
"""

import json
import os
import select
from pathlib import Path
from typing import Any
from uuid import uuid4

from sandbox.errors import SandboxError
from sandbox.settings import SandboxSettings

LONGEST_REQUEST = select.PIPE_BUF
"""Bytes that the system writes into a pipe as one."""


def pipe(settings: SandboxSettings) -> Path:
    """Return the supervisor's named pipe."""
    return settings.run / "supervisor.pipe"


def hold(settings: SandboxSettings) -> int | None:
    """Say that the sandbox is needed until the returned descriptor is closed; None where no supervisor is."""
    try:
        return os.open(pipe(settings), os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None


def ask(settings: SandboxSettings, request: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Ask the supervisor for something and return its answer.

    Raises `SandboxError` when there is none, when it refuses, or when it does not answer in time.
    """
    answers = settings.run / f"answer-{uuid4().hex}.pipe"
    line = json.dumps({**request, "answer": str(answers)}).encode() + b"\n"
    if len(line) > LONGEST_REQUEST:
        raise SandboxError(
            f"The request is {len(line)} bytes long, more than {LONGEST_REQUEST}: pass less environment."
        )
    supervisor = hold(settings)
    if supervisor is None:
        raise SandboxError("No sandbox is running: start one with `python -m sandbox up --keep`.")
    os.mkfifo(answers, 0o600)
    try:
        reading = os.open(answers, os.O_RDONLY | os.O_NONBLOCK)
        try:
            os.write(supervisor, line)
            text = _read_line(reading, seconds)
        finally:
            os.close(reading)
    finally:
        os.close(supervisor)
        answers.unlink(missing_ok=True)
    if text is None:
        raise SandboxError(
            f"The sandbox's supervisor did not answer within {seconds:.0f} s: stop it with `python -m sandbox down`."
        )
    answer: dict[str, Any] = json.loads(text)
    if "refused" in answer:
        raise SandboxError(str(answer["refused"]))
    return answer


def answer(address: str, said: dict[str, Any]) -> None:
    """Answer a request; an asker that is gone needs none."""
    try:
        writing = os.open(address, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return
    try:
        os.write(writing, json.dumps(said).encode() + b"\n")
    except BrokenPipeError:
        pass
    finally:
        os.close(writing)


def _read_line(descriptor: int, seconds: float) -> bytes | None:
    # Until the supervisor has opened the pipe, reading says "end" at once; polling waits for what is written.
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    text = b""
    while not text.endswith(b"\n"):
        if not any(event & select.POLLIN for _, event in poll.poll(seconds * 1000)):
            return None
        text += os.read(descriptor, 65536)
    return text
