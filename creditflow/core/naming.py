"""How everything that a run makes is named, so that it can be told from what no run made, and runs from each other."""

from __future__ import annotations

import re
import secrets
import string

RUN = "cf-" + "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(6))
"""The name of this run, in everything that it makes."""

PASSWORD = secrets.token_urlsafe(18)
"""The password of everybody whom this run makes."""

_SESSIONS = "credit-flow "
APPLICATION = f"{_SESSIONS}{RUN}"
"""By which PostgreSQL knows the sessions of this run."""

MARK = f"by the acceptance suite, run {RUN}"
"""What the rows say that the suite itself writes: they can be found when the person whose they are is gone."""

OF_A_RUN = "^cf-[a-z0-9]{6}-"
"""What the names of this run's and other runs' people begin with, as a regular expression of Python and PostgreSQL."""

EMAIL_OF_A_RUN = r"^cf-[a-z0-9]{6}-[1-9][0-9]*@example[.]com$"
"""The e-mails of the people of any run, as a regular expression of Python and PostgreSQL."""

MARK_OF_A_RUN = "by the acceptance suite, run cf-[a-z0-9]{6}$"
"""The mark of any run, as a regular expression of Python and PostgreSQL."""

_NAME = re.compile(r"(cf-[a-z0-9]{6})-(?:0|[1-9][0-9]*)")


def made_by_a_run(name: str) -> bool:
    """Whether a user name, or what begins with one, is of some run of the suite, this one or another."""
    return bool(re.match(OF_A_RUN, name))


def email_of(name: str) -> str:
    """The e-mail of whom a run gave a user name."""
    return f"{name}@example.com"


def run_of(name: str) -> str:
    """The run that made somebody of this user name; empty where none did."""
    found = _NAME.fullmatch(name)
    return found.group(1) if found else ""


def name_of(email: str) -> str:
    """The user name of whom a run gave this e-mail; empty where none did."""
    return email.partition("@")[0] if re.fullmatch(EMAIL_OF_A_RUN, email) else ""


def run_of_mark(text: str) -> str:
    """The run that wrote a row with this mark; empty where none did."""
    return text[-len(RUN) :] if re.search(MARK_OF_A_RUN, text) else ""


def run_of_session(application: str) -> str:
    """The run to which a session of PostgreSQL belongs, by its application name; empty where it is of none."""
    return application.removeprefix(_SESSIONS) if application.startswith(_SESSIONS) else ""
