"""The journal of a run is readable by its owner only, and contains no secret even if a name does."""

from __future__ import annotations

import stat
from pathlib import Path

from creditflow.cleanup.journal import Journal
from creditflow.cleanup.resources import KeycloakUser
from creditflow.core.redaction import redactor

SECRET = "canary-of-a-journal-7Hx2qP9"


def test_nobody_else_can_read_a_journal(tmp_path: Path) -> None:
    journal = Journal.begin(tmp_path / "journals", "http://127.0.0.1:1", sandbox=False)
    assert stat.S_IMODE(journal.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(journal.path.parent.stat().st_mode) == 0o700
    journal.end(lambda line: None)


def test_a_secret_that_is_in_a_name_is_not_in_the_journal(tmp_path: Path) -> None:
    redactor.learn(SECRET)
    journal = Journal.begin(tmp_path, "http://127.0.0.1:1", sandbox=False)
    number = journal.register(KeycloakUser(SECRET))
    written = journal.path.read_text("utf-8")
    assert SECRET not in written
    assert written.count(redactor.mark(SECRET)) == 1
    journal.gone(number)
    journal.end(lambda line: None)
