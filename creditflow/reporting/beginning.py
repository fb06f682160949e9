"""Ends a run that can't begin: with the reason in one sentence, and without the results of an earlier run."""

from __future__ import annotations

import importlib
import re
import sys
import traceback
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import behave
from behave.exception import ConfigError, InvalidFilenameError, TagExpressionError
from behave.model import Feature, Rule
from behave.model_type import FileLocation
from behave.parser import ParserError
from behave.runner_util import FeatureLineDatabase
from behave.userdata import UserData, parse_user_define

from creditflow.core.errors import CannotRunError
from creditflow.core.redaction import redactor
from creditflow.reporting.outcome import relative, sentence
from creditflow.reporting.results import FORMATTER, Unfinished, folder_of, forget, mark

_BEHAVE = str(Path(behave.__file__).parent)
_OPERATOR = re.compile(r"\b(?:and|or|not)\b|[()]")
_OLD = re.compile(r",|(?:^|\s)[~-]@?\w")


def sentence_of(error: BaseException) -> str:
    """Return one line about an error before the first scenario."""
    if isinstance(error, CannotRunError):
        return str(error)
    return f"The run can't begin: {' '.join(relative(_why(error)).split()).rstrip('.')}."


def is_complete(error: BaseException) -> bool:
    """Return whether the sentence is enough; else a traceback helps, as for a module that can't be imported."""
    complete = CannotRunError | ParserError | InvalidFilenameError | UnicodeDecodeError | SyntaxError | ConfigError
    return isinstance(error, complete) or _is_no_place(error) or _is_no_language(error)


def give_up(config: Any, reason: str) -> None:
    """Remove the results of the last run, record why this run could not begin, and print it.

    A dry run keeps the results.
    """
    reason = redactor.clean(reason)
    results = folder_of(config)
    if results and not config.dry_run:
        with suppress(CannotRunError, OSError):  # then there is no folder to write to
            forget(results, config)
            mark(results, Unfinished(reason=reason))
    print(reason)


def partial_config(config: Any, arguments: Sequence[str]) -> Any:
    """Return the known part of a configuration that behave could not read, enough to find the last run's results.

    Args:
        config: behave's incomplete configuration.
        arguments: the command line.
    """
    known = {**getattr(config, "defaults", {}), **{k: v for k, v in vars(config).items() if v}}
    outputs = known.get("outputs") or [SimpleNamespace(name=name) for name in known.get("outfiles") or ()]
    userdata = UserData(known.get("userdata") or {})
    userdata.update(parse_user_define(text) for flag, text in pairwise(arguments) if flag in ("-D", "--define"))
    return SimpleNamespace(
        dry_run="--dry-run" in arguments or "-d" in arguments,
        format=known.get("format") or (),
        outputs=outputs,
        userdata=userdata,
        junit="--junit" in arguments or known.get("junit"),
        junit_directory=known.get("junit_directory") or "reports",
    )


def is_of_the_suite(config: Any) -> bool:
    """Return whether a configuration belongs to this suite; behave may run other projects."""
    return FORMATTER in (config.format or ())


def require_usable(config: Any) -> None:
    """Refuse options that behave accepts but misunderstands.

    Raises:
        CannotRunError: tags in old and new syntax together, tags without an operator, or a `-D` without a name.
    """
    tags = [config.tags] if isinstance(config.tags, str) else list(config.tags or ())
    shown = " ".join(f"--tags={tag!r}" for tag in tags)
    old = [tag for tag in tags if _OLD.search(tag)]
    if old and any(_OPERATOR.search(tag) for tag in tags):
        raise CannotRunError(
            f"The run can't begin: {shown} mixes the old syntax of tag expressions (`@a,@b`, `~@a`) with the new one "
            f"(`@a or @b`, `not @a`): use the new one."
        )
    if any(_two_in_a_row(tag) for tag in tags):
        raise CannotRunError(f"The run can't begin: {shown} has two tags without `and` or `or` between them.")
    if any(not name for name in config.userdata):
        raise CannotRunError("The run can't begin: a `-D` has no name: write `-D NAME=VALUE`.")


def require_scenarios_at(locations: Iterable[FileLocation], features: Iterable[Feature]) -> None:
    """Refuse a line of a file without a scenario; behave would run another scenario.

    Raises:
        CannotRunError: with the lines of the file's scenarios.
    """
    by_file = {Path(feature.filename).absolute(): feature for feature in features}
    for location in locations:
        feature = by_file.get(Path(location.filename).absolute())
        if location.line and feature and not _stands_at(feature, location.line):
            begin = ", ".join(str(s.line) for s in feature.walk_scenarios()) or "none"
            raise CannotRunError(
                f"The run can't begin: there is no scenario at {location.filename}:{location.line}; the scenarios of "
                f"the file begin at {begin}."
            )


def _stands_at(feature: Feature, line: int) -> bool:
    lines = Path(feature.filename).read_text(encoding="utf-8").splitlines()
    text = lines[line - 1].strip() if line <= len(lines) else ""
    if not text or text.startswith(("#", "@")):
        return False
    found = FeatureLineDatabase.make(feature).select_run_item_by_line(line)
    return not isinstance(found, Feature | Rule) or found.line == line


def _two_in_a_row(tags: str) -> bool:
    words = re.findall(r"[()]|[^\s()]+", tags)
    return any(not _OPERATOR.fullmatch(one) and not _OPERATOR.fullmatch(other) for one, other in pairwise(words))


def _why(error: BaseException) -> str:  # noqa: PLR0911 - one return for each type
    text = str(error).strip()
    if isinstance(error, TagExpressionError):
        return f"the tag expression can't be read ({text.splitlines()[0].rstrip('.')}): see `behave --tags-help`"
    if isinstance(error, re.error):
        pattern = error.pattern.decode() if isinstance(error.pattern, bytes) else error.pattern
        return f"“{pattern}” is not a regular expression ({error.msg}): correct --name, --include or --exclude"
    if isinstance(error, ParserError):
        return f"{text.replace('Failed to parse', 'behave can not parse', 1)}: correct the file"
    if _is_no_place(error):
        return f"{text} does not exist: check the name of the file or folder"
    if isinstance(error, InvalidFilenameError):
        return f"{text} is neither a folder nor a feature file: check the name"
    if isinstance(error, UnicodeDecodeError):
        return f"{_read_by(error) or 'a file'} is not UTF-8 ({error.reason} at byte {error.start}): save it as UTF-8"
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}: {type(error).__name__}: {error.msg}: correct the file"
    if _is_no_language(error):
        return f"behave knows no language {text}: correct --lang, or the file's `# language:`"
    if isinstance(error, ConfigError):
        return text
    message = sentence(error).rstrip(".")
    place = _place(error)
    return f"{message} ({place})" if place else message


def _place(error: BaseException) -> str:
    """Return the innermost file and line that belong neither to behave nor to Python's import system."""
    own = [
        f"{frame.filename}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((_BEHAVE, "<frozen", importlib.__path__[0]))
        and "/creditflow/reporting/" not in frame.filename
    ]
    return own[-1] if own else ""


def _is_no_place(error: BaseException) -> bool:
    """Return whether behave did not find a file; its error has no `errno`, unlike that of the system."""
    return isinstance(error, FileNotFoundError) and error.errno is None


def _is_no_language(error: BaseException) -> bool:
    frames = traceback.extract_tb(error.__traceback__)
    return isinstance(error, KeyError) and bool(frames) and frames[-1].filename == str(Path(_BEHAVE, "parser.py"))


def _read_by(error: BaseException) -> str:
    """Return the feature file that behave was reading."""
    files = [frame.f_locals.get("filename") for frame, _ in traceback.walk_tb(error.__traceback__)]
    return next((str(file) for file in reversed(files) if isinstance(file, str)), "")


def usage_error(output: str) -> str:
    """Return the sentence for what behave printed about a wrong command line."""
    reason = output.strip().rpartition("error: ")[2] or "behave gave no reason"
    return f"The run can't begin: {' '.join(reason.split()).rstrip('.')}: see `behave --help`."


def refuse(config: Any, reason: str) -> None:
    """End the process with the reason as the last line and exit status 2.

    Raises:
        SystemExit: always.
    """
    give_up(config, reason)
    sys.stdout.flush()
    raise SystemExit(CannotRunError.exit_status)
