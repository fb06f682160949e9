"""The services that are Python modules of the sandbox."""

import sys
from importlib.util import find_spec
from typing import ClassVar

from sandbox.services.base import HttpService


class ModuleService(HttpService):
    """A module that serves HTTP on the port it is told."""

    module: ClassVar[str]
    deadline = 30
    cure = "read the log; `python bootstrap.py` completes the installed packages."

    @classmethod
    def is_there(cls) -> bool:
        """Tell whether the module exists."""
        return find_spec(f"{cls.module}.__main__") is not None

    def command(self) -> list[str]:
        """Run the module with this Python."""
        return [sys.executable, "-m", self.module, "--port", str(self.port)]
