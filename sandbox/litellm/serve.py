"""Runs LiteLLM's own command line, in LiteLLM's virtual environment, with connections that stay open.

Under gunicorn the proxy is imported once and forked, which starts two workers as fast as one. But gunicorn
closes an idle connection after 2 s, in the very moment in which a caller may be sending its next request on
it.
"""

from gunicorn.config import Keepalive  # type: ignore[import-untyped,import-not-found,unused-ignore]
from litellm.proxy.proxy_cli import run_server  # type: ignore[import-untyped,import-not-found,unused-ignore]

Keepalive.default = 75

run_server()
