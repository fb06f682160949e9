"""Redis, the real server, without persistence."""

from pathlib import Path

import redis

from sandbox.ports import HOST
from sandbox.services.base import Service

PROGRAM = Path("redis", "redis-server")
"""The server's program, in the folder of the prepared pieces."""


class Redis(Service):
    """A server that starts empty."""

    name = "redis"
    version = "6.2"
    deadline = 20
    cure = (
        "read the log; `python -m sandbox down` ends what an earlier sandbox left; where the program lacks a "
        "library, install OpenSSL 3."
    )

    def command(self) -> list[str]:
        """Run the server in the foreground, on the loopback address, without persistence."""
        program = self.layout.settings.prepared / PROGRAM
        options = {
            "bind": HOST,
            "port": str(self.port),
            "save": "",
            "appendonly": "no",
            "dir": str(self.folder),
        }
        return [str(program), *(part for name, value in options.items() for part in (f"--{name}", value))]

    def is_healthy(self) -> bool:
        """Ping the server."""
        try:
            with redis.Redis(host=HOST, port=self.port, socket_timeout=3) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    @property
    def url(self) -> str:
        """The URL of database 0."""
        return f"redis://{HOST}:{self.port}/0"

    def target(self) -> dict[str, str]:
        """Return the server's URL."""
        return {"REDIS_URL": self.url}
