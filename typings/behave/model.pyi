from behave.capture import ManyCaptured
from behave.configuration import Configuration
from behave.model_type import FileLocation, Status
from collections.abc import Iterator
from types import TracebackType
from typing import Any

class Tag(str):
    line: int

class Text(str):
    content_type: str

class Row:
    headings: list[str]
    cells: list[str]
    line: int | None
    def __getitem__(self, name: str | int) -> str: ...
    def __contains__(self, name: object) -> bool: ...
    def __iter__(self) -> Iterator[str]: ...
    def __len__(self) -> int: ...
    def get(self, key: str, default: str | None = ...) -> str | None: ...
    def as_dict(self) -> dict[str, str]: ...

class Table:
    headings: list[str]
    rows: list[Row]
    def __iter__(self) -> Iterator[Row]: ...
    def __getitem__(self, index: int) -> Row: ...
    def has_column(self, name: str) -> bool: ...
    def require_columns(self, names: list[str]) -> None: ...

class BasicStatement:
    keyword: str
    name: str
    location: FileLocation
    exception: BaseException | None
    exc_traceback: TracebackType | None
    error_message: str | None
    @property
    def filename(self) -> str: ...
    @property
    def line(self) -> int: ...
    @property
    def captured(self) -> ManyCaptured: ...
    def store_exception_context(self, exception: BaseException) -> None: ...

class Step(BasicStatement):
    step_type: str
    text: Text | None
    table: Table | None
    status: Status
    hook_failed: bool
    duration: float

class Background(BasicStatement):
    all_steps: list[Step]

class _Tagged(BasicStatement):
    parent: Any
    tags: list[Tag]
    should_skip: bool
    skip_reason: str | None
    hook_failed: bool
    @property
    def effective_tags(self) -> set[Tag]: ...
    @property
    def status(self) -> Status: ...
    def set_status(self, value: Status | str) -> None: ...
    def skip(self, reason: str | None = ..., require_not_executed: bool = ...) -> None: ...
    def mark_skipped(self, reason: str | None = ...) -> None: ...
    def should_run(self, config: Configuration | None = ...) -> bool: ...

class Scenario(_Tagged):
    description: list[str]
    steps: list[Step]
    background: Background | None
    feature: Feature
    run: Any
    _row: Row | None
    @property
    def all_steps(self) -> Iterator[Step]: ...
    @property
    def duration(self) -> float: ...

class ScenarioOutline(Scenario):
    @property
    def scenarios(self) -> list[Scenario]: ...

class _Container(_Tagged):
    description: list[str]
    run: Any
    run_items: list[Any]
    scenarios: list[Scenario]
    @property
    def duration(self) -> float: ...
    def walk_scenarios(self, with_outlines: bool = ..., with_rules: bool = ...) -> list[Scenario]: ...
    def iter_rules(self) -> Iterator[Rule]: ...

class Feature(_Container):
    rules: list[Rule]

class Rule(_Container):
    feature: Feature
