"""Start the reference Ops-Center: `python -m sandbox.ops_center --port PORT`, settings in `OPS_*`."""

import argparse
import logging
import os
import sys

import uvicorn
from pydantic import ValidationError

from sandbox import faults
from sandbox.errors import SandboxError
from sandbox.ops_center.app import create_app
from sandbox.ops_center.settings import Settings

HOST = "127.0.0.1"


def main() -> int:
    """Serve until a signal ends it; return 2 when a setting is missing or wrong."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.ops_center", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    os.environ.setdefault("OPS_PUBLIC_URL", f"http://{HOST}:{port}")
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        faults.switch_on("ops-center")
        settings = Settings.model_validate({})
    except SandboxError as error:
        print(f"Ops-Center: {error}", file=sys.stderr)
        return 2
    except ValidationError as error:
        for wrong in error.errors(include_input=False):
            print(f"Ops-Center: OPS_{str(wrong['loc'][0]).upper()}: {wrong['msg']}", file=sys.stderr)
        return 2
    uvicorn.run(
        create_app(settings),
        host=HOST,
        port=port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=10,
        timeout_keep_alive=75,  # longer than any client keeps an idle connection, so that none is closed in use
        server_header=False,
        proxy_headers=False,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
