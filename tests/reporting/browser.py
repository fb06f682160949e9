"""A headless browser for the tests of the report: `python tests/reporting/browser.py` installs it.

It is Chromium from npm's `@sparticuz/chromium`, driven by `puppeteer-core`; `axe-core` checks how accessible a page is.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from creditflow.reporting.npm_tool import PROJECT, NpmTool, run_node

PINS = Path(__file__).resolve().parent / "browser_tool"

BROWSER = NpmTool("Browser", "Chromium (about 110 MB)", PINS, PROJECT / ".sandbox" / "browser")

LIMIT_S = 300

needs_browser = pytest.mark.skipif(
    not BROWSER.is_prepared(), reason="needs a browser: python tests/reporting/browser.py"
)


def visit(page: Path, views: list[dict[str, Any]], folder: Path) -> dict[str, Any]:
    """Open a page from its file, and return what the browser sees; see `browser_tool/visit.mjs`.

    Args:
        page: the file.
        views: the places of the page to look at, in order.
        folder: a folder for the browser's own files.
    """
    question = folder / "views.json"
    question.write_text(json.dumps({"page": page.resolve().as_uri(), "views": views}), "utf-8")
    done = run_node(PINS / "visit.mjs", [str(BROWSER.folder), str(question)], folder, LIMIT_S)
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


if __name__ == "__main__":
    sys.exit(BROWSER.main())
