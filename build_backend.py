"""hatchling, but an unsupported installation is refused with a clear message before pip reads other packages."""

import sys

from bootstrap import refusal

if refusal():
    sys.exit(refusal())

from hatchling.build import *  # noqa: F403


def build_wheel(*arguments, **settings):  # type: (object, object) -> str
    """Refuse to build a copy of the modules; they need the features, the plan and `behave.ini` beside them."""
    sys.exit("Only an editable install works: `pip install -r requirements.txt`, or `pip install -e .`.")
