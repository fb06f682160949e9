"""The supervisor's named pipe, which every process that needs the sandbox keeps open.

The sandbox stays up while any process has the pipe open. The operating system closes it for a process that dies.
A request is a line of JSON. The answer comes through a named pipe of the requester.
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
"""The most bytes that the system writes into a pipe at once."""


def pipe(settings: SandboxSettings) -> Path:
    """Return the supervisor's named pipe."""
    return settings.run / "supervisor.pipe"


def open_pipe(settings: SandboxSettings) -> int | None:
    """Open the pipe, which keeps the sandbox up until the descriptor is closed; None without a supervisor."""
    try:
        return os.open(pipe(settings), os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None


def ask(settings: SandboxSettings, request: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Send a request to the supervisor and return its answer.

    Raises `SandboxError` when there is no supervisor, when it refuses, or when it does not answer in time.
    """
    answers = settings.run / f"answer-{uuid4().hex}.pipe"
    line = json.dumps({**request, "answer": str(answers)}).encode() + b"\n"
    if len(line) > LONGEST_REQUEST:
        raise SandboxError(
            f"The request is {len(line)} bytes long, more than {LONGEST_REQUEST}: pass less environment."
        )
    supervisor = open_pipe(settings)
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


def answer(address: str, content: dict[str, Any]) -> None:
    """Answer a request, if the requester still waits."""
    try:
        writing = os.open(address, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return
    try:
        os.write(writing, json.dumps(content).encode() + b"\n")
    except BrokenPipeError:
        pass
    finally:
        os.close(writing)


def _read_line(descriptor: int, seconds: float) -> bytes | None:
    # Until the supervisor has opened the pipe, a read returns "end" at once; a poll waits for data.
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    text = b""
    while not text.endswith(b"\n"):
        if not any(event & select.POLLIN for _, event in poll.poll(seconds * 1000)):
            return None
        text += os.read(descriptor, 65536)
    return text
