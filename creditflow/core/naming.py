"""The names of everything that a run makes. They separate one run from another, and runs from other users."""

from __future__ import annotations

import itertools
import re
import secrets
import string

from creditflow.core.workers import Shared, workers

RUN = "cf-" + "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(6))
"""The name of this run, part of the name of everything that it makes."""

PASSWORD = secrets.token_urlsafe(18)
"""The password of every person whom this run makes."""

_SESSIONS = "credit-flow "
APPLICATION = f"{_SESSIONS}{RUN}"
"""The PostgreSQL application name of this run's sessions."""

MARK = f"by the acceptance suite, run {RUN}"
"""The text in rows that the suite writes itself, so that they can be found after their person is removed."""

OF_A_RUN = "^cf-[a-z0-9]{6}-"
"""The first characters of the user names of any run, as a regular expression of Python and PostgreSQL."""

EMAIL_OF_A_RUN = r"^cf-[a-z0-9]{6}-[1-9][0-9]*([+]new)?@example[.]com$"
"""The e-mail addresses of any run's people, as a regular expression of Python and PostgreSQL."""

MARK_OF_A_RUN = "by the acceptance suite, run cf-[a-z0-9]{6}$"
"""The mark of any run, as a regular expression of Python and PostgreSQL."""


class _Numbers(Shared):
    """The numbers of the people of this process; each worker has numbers of its own."""

    def __init__(self) -> None:
        self.begin_in_worker()

    def begin_in_worker(self) -> None:
        self._count = itertools.count(workers.first_number)

    def __next__(self) -> int:
        return next(self._count)


numbers = _Numbers()
"""The numbers in the names of people: `next(numbers)` returns one that no other person of this run has."""

workers.join(numbers)

_NAME = re.compile(r"(cf-[a-z0-9]{6})-(?:0|[1-9][0-9]*)")


def made_by_a_run(name: str) -> bool:
    """Return whether a name begins with the user name of a person of any run."""
    return bool(re.match(OF_A_RUN, name))


def email_of(name: str) -> str:
    """Return the e-mail address that belongs to a user name of a run."""
    return f"{name}@example.com"


def new_email_of(name: str) -> str:
    """Return the e-mail address that a person with this user name changes to."""
    return f"{name}+new@example.com"


def run_of(name: str) -> str:
    """Return the run that made a user name, or an empty string if no run did."""
    found = _NAME.fullmatch(name)
    return found.group(1) if found else ""


def name_of(email: str) -> str:
    """Return the user name that belongs to a run's e-mail address, or an empty string if no run made it."""
    return re.split("[+@]", email)[0] if re.fullmatch(EMAIL_OF_A_RUN, email) else ""


def run_of_mark(text: str) -> str:
    """Return the run that wrote a row with this mark, or an empty string if no run did."""
    return text[-len(RUN) :] if re.search(MARK_OF_A_RUN, text) else ""


def run_of_session(application: str) -> str:
    """Return the run that a PostgreSQL application name belongs to, or an empty string if it belongs to none."""
    return application.removeprefix(_SESSIONS) if application.startswith(_SESSIONS) else ""
