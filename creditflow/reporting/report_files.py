"""Writes the text reports and the sign-off sheet of a run, each file privately and in one step.

The plan's folder is `/tmp`, where other users can put files and links. A file is therefore made under a new name and
then renamed, which never follows a link. Nothing that another user owns is used.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from creditflow.core.redaction import redactor
from creditflow.reporting import plan_files, sign_off, text_report, text_summary
from creditflow.reporting.characters import writable
from creditflow.reporting.record import RunRecord

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW


class NotWrittenError(Exception):
    """The reports can't be written; the message says why and what to do."""


def make(record: RunRecord, folder: Path) -> dict[str, Path]:
    """Make the reports of a run, and remove the log of errors of an earlier run if this one has none.

    Args:
        record: the run.
        folder: the folder of the reports (`REPORT_DIR`); it is made if it does not exist.

    Returns:
        The path of each file, by what it is.

    Raises:
        NotWrittenError: the folder or one of the files belongs to another user, is a link, or can't be written.
    """
    items = plan_files.items()
    sheet = sign_off.sheet(record, items)
    summaries = folder / text_summary.FOLDER
    files = {
        "Report as text": (folder / text_report.NAME, text_report.report(record, items)),
        "Summary": (summaries / text_summary.name(record), text_summary.summary(record)),
        "Errors": (folder / text_summary.ERRORS, text_summary.errors(record)),
        "Sign-off sheet": (folder / sign_off.TEXT, sign_off.as_text(sheet)),
        "Sign-off sheet to print": (folder / sign_off.PAGE, sign_off.as_page(sheet)),
    }
    for path, text in files.values():
        with _private(path.parent) as directory:
            _require_own(path, directory)
            if text:
                _replace(path, text, directory)
            else:
                _remove(path, directory)
    return {what: path for what, (path, text) in files.items() if text}


@contextmanager
def _private(folder: Path) -> Iterator[int]:
    """Open a folder, made with mode 0700 if it does not exist, and require that it can be trusted."""
    try:
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700, parents=True)
        if folder.is_symlink():
            raise _unusable(folder, "is a link", "name the folder itself in REPORT_DIR, or remove the link")
        directory = os.open(folder, _FOLDER)
    except OSError as error:
        raise _failed(folder, error) from None
    try:
        if os.fstat(directory).st_uid not in (0, os.geteuid()):
            raise _unusable(folder, "belongs to another user", "set REPORT_DIR to a folder of yours")
        yield directory
    finally:
        os.close(directory)


def _require_own(path: Path, directory: int) -> None:
    """Require that a file does not exist, or that it is a plain file of this user."""
    try:
        found = os.stat(path.name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return
    except OSError as error:
        raise _failed(path, error) from None
    if stat.S_ISLNK(found.st_mode):
        raise _unusable(path, "is a link", "remove it, or set REPORT_DIR to another folder")
    if found.st_uid != os.geteuid():
        raise _unusable(path, "belongs to another user", "set REPORT_DIR to a folder of yours")
    if not stat.S_ISREG(found.st_mode):
        raise _unusable(path, "is not a file", "remove it, or set REPORT_DIR to another folder")


def _replace(path: Path, text: str, directory: int) -> None:
    """Replace a file as a whole, so that its reader sees the text of one run only."""
    partial = f".{path.name}.{secrets.token_hex(4)}"
    try:
        with open(os.open(partial, _NEW, 0o600, dir_fd=directory), "w", encoding="utf-8") as file:
            file.write(writable(redactor.clean(text)))
        os.rename(partial, path.name, src_dir_fd=directory, dst_dir_fd=directory)
    except OSError as error:
        raise _failed(path, error) from None
    finally:
        with suppress(OSError):
            os.unlink(partial, dir_fd=directory)


def _remove(path: Path, directory: int) -> None:
    try:
        with suppress(FileNotFoundError):
            os.unlink(path.name, dir_fd=directory)
    except OSError as error:
        raise _failed(path, error) from None


def _unusable(path: Path, what: str, cure: str) -> NotWrittenError:
    return NotWrittenError(f"The reports were not written, because {path} {what}: {cure}.")


def _failed(path: Path, error: OSError) -> NotWrittenError:
    return _unusable(path, f"can't be written ({error.strerror})", "set REPORT_DIR to a folder that you can write to")
