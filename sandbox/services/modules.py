"""The services that are Python modules of the sandbox."""

import sys
from typing import ClassVar

from sandbox.services.base import HttpService


class ModuleService(HttpService):
    """A module that serves HTTP on the port of its `--port`."""

    module: ClassVar[str]
    deadline = 30
    cure = "read the log; `python bootstrap.py` completes the installed packages."

    def command(self) -> list[str]:
        """Run the module with this Python."""
        return [sys.executable, "-m", self.module, "--port", str(self.port)]
