"""LiteLLM's virtual environment."""

import sys
from collections.abc import Sequence
from pathlib import Path

from sandbox.install import installer_environment
from sandbox.preparation.piece import Piece
from sandbox.services.litellm import ENVIRONMENT
from sandbox.settings import PROJECT

REQUIREMENTS = PROJECT / "sandbox" / "litellm" / "requirements.txt"
CONSTRAINTS = REQUIREMENTS.with_name("constraints.txt")
"""The versions of LiteLLM's own requirements; see `make pins`."""


class LiteLLMEnvironment(Piece):
    """The proxy's packages, compiled, so that the first start is fast too."""

    title = "LiteLLM's environment"
    folder_name = ENVIRONMENT
    service = "litellm"
    megabytes = 900

    def inputs(self) -> Sequence[str]:
        """Return the requirements and the Python that they are installed for."""
        return REQUIREMENTS.read_text(), CONSTRAINTS.read_text(), sys.version, sys.base_prefix

    def make(self, folder: Path) -> None:
        """Install the packages with uv."""
        uv = str(Path(sys.prefix) / "bin" / "uv")
        cure = "check the network and the room on the disk, then run `python -m sandbox prepare` again."
        # Relocatable, because the folder is renamed when it is complete.
        make = [
            uv,
            "venv",
            "--quiet",
            "--relocatable",
            "--allow-existing",
            "--python",
            sys.executable,
            str(folder),
        ]
        self.run("making the environment", make, 60, cure, installer_environment())
        install = [uv, "pip", "install", "--python", str(folder / "bin" / "python"), "--compile-bytecode"]
        install += ["-r", str(REQUIREMENTS), "-c", str(CONSTRAINTS)]
        self.run("installing the packages", install, 1200, cure, installer_environment())
