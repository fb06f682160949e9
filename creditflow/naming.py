"""How everything that a run makes is named, so that it can be told from what no run made, and runs from each other."""

from __future__ import annotations

import re
import secrets
import string

RUN = "cf-" + "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(6))
"""The name of this run, in everything that it makes."""

APPLICATION = f"credit-flow {RUN}"
"""By which PostgreSQL knows the sessions of this run."""

OF_A_RUN = "^cf-[a-z0-9]{6}-"
"""What the names of this run's and other runs' people begin with, as a regular expression of Python and PostgreSQL."""


def made_by_a_run(name: str) -> bool:
    """Whether a user name, or what begins with one, is of some run of the suite, this one or another."""
    return bool(re.match(OF_A_RUN, name))
