"""Start the stand-in: `python -m sandbox.lago --port P`, configured by `LAGO_` variables."""

import argparse

import uvicorn

from sandbox import faults

from .app import create_app
from .settings import Settings


def main() -> None:
    """Serve on 127.0.0.1 until a signal ends it."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.lago", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="the port on 127.0.0.1")
    arguments = parser.parse_args()
    faults.switch_on("lago")
    uvicorn.run(
        create_app(Settings()),  # type: ignore[call-arg]  # its values come from the environment
        host="127.0.0.1",
        port=arguments.port,
        access_log=False,
        log_level="info",
        timeout_graceful_shutdown=5,
        timeout_keep_alive=75,  # longer than any client keeps an idle connection, so that none is closed in use
    )


if __name__ == "__main__":
    main()
