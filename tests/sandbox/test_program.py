"""Programs that several threads start and wait for at once."""

from __future__ import annotations

import multiprocessing.connection
import os
import threading
from contextlib import suppress
from multiprocessing import forkserver
from pathlib import Path

import pytest

from sandbox.program import Program


def test_a_thread_that_starts_a_program_leaves_another_one_its_exit_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ends_with_seven.py").write_text("raise SystemExit(7)")
    read, both_read = forkserver.read_signed, threading.Barrier(2, timeout=1)

    def start() -> Program:
        return Program(["ends_with_seven"], cwd=tmp_path, env=dict(os.environ))

    def read_together(file: int) -> int:
        with suppress(threading.BrokenBarrierError):
            both_read.wait()
        status: int = read(file)
        return status

    first = start()
    assert multiprocessing.connection.wait([first._process.sentinel], 60)
    monkeypatch.setattr(forkserver, "read_signed", read_together)
    second: list[Program] = []
    starting = threading.Thread(target=lambda: second.append(start()))
    starting.start()
    statuses = [first.returncode]
    starting.join()
    statuses += [first.returncode, second[0].wait(60)]
    assert statuses == [7, 7, 7]
