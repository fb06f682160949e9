"""`prepare`: make the pieces that every start needs, in parallel and once."""

import shutil
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from sandbox.credentials import Credentials
from sandbox.errors import SandboxError
from sandbox.files import locked
from sandbox.preparation import PIECES, Piece
from sandbox.services import with_needs
from sandbox.settings import SandboxSettings
from sandbox.state import State

REPORT_EVERY = 5
"""Seconds between the lines that report the progress."""
WAIT_FOR_OTHER = 1800
"""The most seconds of another preparation of the same folder."""


def prepare(settings: SandboxSettings, report: Callable[[str], None]) -> Credentials:
    """Make every needed piece that is missing or out of date; return the secrets.

    Raises `SandboxError` when a piece can't be made, and removes unfinished ones.
    """
    try:
        settings.prepared.mkdir(parents=True, exist_ok=True)
        with locked(
            settings.prepared / "prepare.lock",
            WAIT_FOR_OTHER,
            lambda: report("Another preparation is under way, waiting for it"),
        ):
            credentials = Credentials.load(settings.secrets)
            wanted = with_needs(settings.only)
            pieces = [make(settings, credentials) for make in PIECES if make.service in wanted]
            missing = [piece for piece in pieces if not piece.is_made()]
            if missing:
                _check_unused(settings, missing)
                _check_room(settings, missing)
                _make(missing, report)
    except OSError as error:
        raise SandboxError(
            f"{settings.prepared} can't be written ({error.strerror}): set its rights, or name another "
            "folder with SANDBOX_HOME."
        ) from error
    return credentials


def _make(pieces: list[Piece], report: Callable[[str], None]) -> None:
    began = time.monotonic()
    made: dict[str, Future[float]] = {}

    def make(piece: Piece) -> float:
        for name in piece.needs:
            if name in made:
                made[name].result()
        return piece.make_completely()

    with ThreadPoolExecutor(len(pieces)) as pool:
        for piece in pieces:
            made[piece.folder_name] = pool.submit(make, piece)
        running = dict(zip(made.values(), pieces, strict=True))
        try:
            while running:
                done, _ = wait(running, timeout=REPORT_EVERY, return_when=FIRST_COMPLETED)
                for future in done:
                    piece = running.pop(future)
                    seconds = future.result()
                    report(f"[{len(pieces) - len(running)}/{len(pieces)}] {piece.title} ... {seconds:.0f} s")
                if not done:
                    doing = ", ".join(f"{piece.title}: {piece.step}" for piece in running.values())
                    report(f"      {time.monotonic() - began:3.0f} s  {doing}")
        except BaseException:
            for piece in pieces:
                piece.called_off.set()
            raise


def _check_unused(settings: SandboxSettings, pieces: list[Piece]) -> None:
    state = State.read(settings)
    if state is not None and state.is_up():
        raise SandboxError(
            f"{pieces[0].title} is out of date, and the running sandbox uses it: end that with "
            "`python -m sandbox down`, then run `python -m sandbox prepare` again."
        )


def _check_room(settings: SandboxSettings, pieces: list[Piece]) -> None:
    needed = sum(piece.megabytes for piece in pieces)
    free = shutil.disk_usage(settings.prepared).free // 2**20
    if free < needed:
        raise SandboxError(
            f"The disk of {settings.prepared} has {free} MB free, and the sandbox needs {needed} MB more: "
            "make room, or name a folder on another disk with SANDBOX_HOME."
        )
