"""The program of Redis, from a library on Maven Central that contains it for several machines.

No package of PyPI has it for every Python that the suite supports.
"""

import platform
import shutil
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

from sandbox.errors import SandboxError
from sandbox.preparation.piece import Piece
from sandbox.services.redis import PROGRAM

COORDINATES = "com.github.codemonstur:embedded-redis:1.4.3"
SHA256 = "ffbc63265c60d25dee453d6f656b527d98200d98657c6a0ab4dec4ea2c3a5cd6"
PROGRAMS = {
    ("linux", "x86_64"): "redis-server-6.2.6-v5-linux-amd64",
    ("linux", "aarch64"): "redis-server-6.2.7-linux-arm64",
}
"""The library's files, by system and processor."""


class RedisProgram(Piece):
    """The server for this machine's system and processor."""

    title = "Redis"
    folder_name = PROGRAM.parent.name
    service = "redis"
    megabytes = 30

    def inputs(self) -> Sequence[str]:
        """Return the library, and the machine."""
        return COORDINATES, SHA256, *_machine()

    def make(self, folder: Path) -> None:
        """Fetch and check the library, and unpack this machine's program."""
        if _machine() not in PROGRAMS:
            raise SandboxError(
                f"There is no Redis for this machine ({' '.join(_machine())}): run the sandbox on Linux "
                "with an x86_64 or aarch64 processor, or name a deployment with OPS_CENTER_URL."
            )
        library = folder / "library.jar"
        self.fetch(COORDINATES, SHA256, library)
        self.step = "unpacking"
        program = folder / PROGRAM.name
        with (
            zipfile.ZipFile(library) as archive,
            archive.open(PROGRAMS[_machine()]) as packed,
            program.open("wb") as unpacked,
        ):
            shutil.copyfileobj(packed, unpacked)
        program.chmod(0o755)
        library.unlink()


def _machine() -> tuple[str, str]:
    return sys.platform, platform.machine()
