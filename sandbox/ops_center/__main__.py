"""Starts the reference Ops-Center: `python -m sandbox.ops_center --port PORT`, settings as OPS_*."""

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
    """Serve until told to stop; 2 when a setting is missing or bad."""
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
        for fault in error.errors(include_input=False):
            print(f"Ops-Center: OPS_{str(fault['loc'][0]).upper()}: {fault['msg']}", file=sys.stderr)
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
