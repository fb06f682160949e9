from behave.userdata import UserData
from typing import Any

class Configuration:
    lang: str
    userdata: UserData
    reporters: list[Any]
    format: list[str]
    paths: list[str]
    outputs: list[Any]
    dry_run: bool
    jobs: int
    stop: bool
    junit: bool
    junit_directory: str
    defaults: dict[str, Any]
    outfiles: list[str] | None
    runner: str
    show_skipped: bool
    show_snippets: bool
    tag_expression: Any
    tags: Any
    name: list[str] | None
    base_dir: str
    def __init__(self, command_args: list[str] | str | None = ..., load_config: bool = ..., **kwargs: Any) -> None: ...
    def has_colored_mode(self, file: Any = ...) -> bool: ...
    def make_command_args(self) -> list[str]: ...
    def setup_logging(self, level: int | None = ..., **kwargs: Any) -> None: ...
