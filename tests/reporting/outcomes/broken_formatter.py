"""A formatter that breaks where `-D breaks=` says."""

import sys
from typing import Any

from behave.formatter.base import Formatter as BehaveFormatter


class Formatter(BehaveFormatter):
    name = "broken"

    def _reach(self, place: str) -> None:
        asked = self.config.userdata.get("breaks", "")
        if asked == place:
            raise OSError("the disk is full")
        if asked == f"exit in {place}":
            sys.exit(0)

    def feature(self, feature: Any) -> None:
        self._reach("feature")

    def result(self, step: Any) -> None:
        self._reach("result")

    def close(self) -> None:
        self._reach("close")
        super().close()
