"""hatchling, but what can't work is refused in one sentence, before pip looks at any other package."""

import sys

from bootstrap import refusal

if refusal():
    sys.exit(refusal())

from hatchling.build import *  # noqa: F403


def build_wheel(*arguments, **settings):  # type: (object, object) -> str
    """Refuse a copy of the modules: they need the features, the plan and behave.ini beside them."""
    sys.exit("Only an editable install works: `pip install -r requirements.txt`, or `pip install -e .`.")
