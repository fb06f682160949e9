"""The figures that the Allure report shows with their trend over the runs."""

from __future__ import annotations

import hashlib
import json
import math
from datetime import datetime
from pathlib import Path
from typing import Any

from creditflow.core.naming import RUN
from creditflow.core.redaction import redactor
from creditflow.core.workers import Shared, workers
from creditflow.reporting.characters import writable

PATTERN = "*-perf.json"
"""The files beside the results from which Allure 3 reads figures."""


class Metrics(Shared):
    """Collects figures while the run measures; the Allure formatter writes them at the end."""

    def __init__(self) -> None:
        self._samples: dict[str, dict[str, Any]] = {}

    def add(self, name: str, milliseconds: float, at: datetime) -> None:
        """Add a figure, such as the median time of an operation; a later one of the same name replaces it."""
        if not math.isfinite(milliseconds):
            return
        title, moment = writable(redactor.clean(name)), round(at.timestamp() * 1000)
        self._samples[name] = {
            "id": hashlib.sha256(f"{RUN} {title}".encode()).hexdigest()[:32],
            "key": title,
            "value": round(milliseconds, 3),
            "start": moment,
            "stop": moment,
            "title": title,
            "unit": "ms",
            "better": "lower",
            "group": "speed",
            "groupTitle": "Median times",
        }

    def news(self) -> Any:
        """Return the figures since the last news, and forget them."""
        found, self._samples = self._samples, {}
        return found

    def take(self, worker: int, news: Any) -> None:
        """Add the figures of a worker."""
        self._samples |= news

    def write(self, folder: Path) -> None:
        """Write the figures beside the results, if there are any."""
        if self._samples:
            text = json.dumps(list(self._samples.values()), ensure_ascii=False)
            (folder / f"{RUN}-perf.json").write_text(redactor.clean(text), encoding="utf-8")


metrics = Metrics()
"""The figures of this run."""

workers.join(metrics)
