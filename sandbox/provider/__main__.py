"""Start the stand-in: ``python -m sandbox.provider --port P``; its settings come from the environment."""

import argparse
import sys

import uvicorn

from sandbox import faults
from sandbox.errors import SandboxError
from sandbox.provider.app import TITLE, make_app
from sandbox.provider.settings import SettingsError, read_settings


def main() -> int:
    """Serve on 127.0.0.1 until a signal ends it; return 2 when the settings can't be used."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.provider", description=TITLE)
    parser.add_argument("--port", type=int, required=True)
    port: int = parser.parse_args().port
    try:
        faults.switch_on("provider")
        app = make_app(read_settings())
    except (SandboxError, SettingsError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{TITLE} on http://127.0.0.1:{port}", flush=True)
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=1,
        timeout_keep_alive=75,  # longer than any client keeps an idle connection, so that none is closed in use
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
