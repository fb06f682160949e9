"""Installs Allure 3, which draws the HTML report: `python -m creditflow.reporting.report_tool`."""

from __future__ import annotations

import sys
from pathlib import Path

from creditflow.reporting.npm_tool import PROJECT, NpmTool

PINS = Path(__file__).resolve().parent / "allure_tool"

ALLURE = NpmTool("Report tool", "Allure (about 50 MB)", PINS, PROJECT / ".sandbox" / "allure")
"""Allure, pinned by `allure_tool/package-lock.json`."""

if __name__ == "__main__":
    sys.exit(ALLURE.main())
