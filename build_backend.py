"""hatchling, but a Python that is not supported is refused in one sentence, before pip looks at any other package."""

import sys

from bootstrap import refusal

if refusal():
    sys.exit(refusal())

from hatchling.build import *  # noqa: F403
