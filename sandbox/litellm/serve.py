"""Run LiteLLM's own command line, in LiteLLM's virtual environment, with connections that stay open.

Gunicorn imports the proxy once and forks it, so two workers start as fast as one. But gunicorn
closes an idle connection after 2 s, and a caller may send its next request at that moment.
"""

import sys
from pathlib import Path

from gunicorn.config import Keepalive  # type: ignore[import-untyped,import-not-found,unused-ignore]
from litellm.proxy.proxy_cli import run_server  # type: ignore[import-untyped,import-not-found,unused-ignore]

sys.path.append(str(Path(__file__).resolve().parents[2]))

from sandbox import faults

Keepalive.default = 75
faults.switch_on("litellm")

run_server()
