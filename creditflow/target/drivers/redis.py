"""Redis: the usage counters (contract, section "Redis"), and a search for texts that must not be in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

import redis

from creditflow.core.errors import ServiceUnavailableError
from creditflow.core.wait_statistics import waits
from creditflow.target.drivers.record import Recorder, record_nothing
from creditflow.target.drivers.request_timeout import RequestTimeout

T = TypeVar("T")


_READ: dict[str, Callable[[Any, str], object]] = {
    "string": lambda redis, key: redis.get(key),
    "hash": lambda redis, key: redis.hgetall(key),
    "list": lambda redis, key: redis.lrange(key, 0, -1),
    "set": lambda redis, key: redis.smembers(key),
    "zset": lambda redis, key: redis.zrange(key, 0, -1),
    "stream": lambda redis, key: redis.xrange(key),
}
"""How the value of a key is read, by its type."""


class Counters:
    """The counters that Ops-Center has in Redis.

    Each method raises `ServiceUnavailableError` if Redis does not answer, or refuses the command.

    Args:
        url: `redis://[:password@]host:port/db`.
        timeout_s: the deadline of each command, in seconds.
        record: receives each removal of a person's keys.
    """

    def __init__(self, url: str, timeout_s: float, record: Recorder = record_nothing) -> None:
        self._record = record
        parts = urlsplit(url)
        self.address = f"{parts.hostname}:{parts.port or 6379}"
        self._timeout = RequestTimeout(timeout_s)
        self._redis: Any = redis.Redis.from_url(
            url, socket_timeout=timeout_s, socket_connect_timeout=timeout_s, decode_responses=True,
            encoding_errors="replace",
        )  # fmt: skip

    def calls(self, user_id: str, period: str) -> int | str | None:
        """Return a person's counted calls in a period (`YYYY-MM`, UTC).

        Return None if there is no counter, and its text if it is not a number.
        """
        value: str | None = self._command("get", _counter(user_id, period))
        return int(value) if value is not None and value.isdecimal() else value

    def calls_of(self, user_ids: Sequence[str], period: str) -> dict[str, str | None]:
        """Return the counters of several people in a period, as texts; None for a person without one."""
        if not user_ids:
            return {}
        values = self._command("mget", [_counter(user_id, period) for user_id in user_ids])
        return dict(zip(user_ids, values, strict=True))

    def everything(self) -> dict[str, str]:
        """Return all keys with their values as texts."""
        return self._run(self._read)

    def seconds_to_expiry(self, user_id: str, period: str) -> int:
        """Return the seconds until a counter expires: -1 if it never expires, -2 if there is none."""
        return int(self._command("ttl", _counter(user_id, period)))

    def seconds_of_the_plan(self, user_id: str) -> int:
        """Return the seconds until a person's cached plan expires: -1 if it never expires, -2 if there is none."""
        return int(self._command("ttl", f"tier:{user_id}"))

    def forget(self, user_id: str) -> int:
        """Remove all keys of a person, as a flush would, and return their number."""
        self._record("forget_counter", None, None, user_id=user_id)

        def remove() -> int:
            keys = list(self._redis.scan_iter(match=f"*:{user_id}*", count=1000))
            own = [key for key in keys if key.split(":")[0] in ("usage", "tier")]
            return int(self._redis.delete(*own)) if own else 0

        return self._run(remove)

    def people(self) -> set[str]:
        """Return the ids of all people that have keys."""
        return {key.split(":")[1] for pattern in ("usage:*", "tier:*") for key in self._scan(pattern)}

    def keys_containing(self, texts: list[str]) -> list[str]:
        """Return the keys that have one of the texts in their name or value."""
        return [key for key, value in self.everything().items() if any(t in key or t in value for t in texts)]

    def version(self) -> str:
        """Return the server's version."""
        return str(self._command("info", "server")["redis_version"])

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()

    def _scan(self, pattern: str) -> list[str]:
        return self._run(lambda: list(self._redis.scan_iter(match=pattern, count=1000)))

    def _read(self) -> dict[str, str]:
        """Return all keys with their values; those that expire meanwhile are left out."""
        keys = list(self._redis.scan_iter(count=1000))
        kinds = self._redis.pipeline(transaction=False)
        for key in keys:
            kinds.type(key)
        values, read = self._redis.pipeline(transaction=False), []
        for key, kind in zip(keys, kinds.execute(), strict=True):
            if kind in _READ:
                _READ[kind](values, key)
                read.append(key)
        return dict(zip(read, map(str, values.execute()), strict=True))

    def _command(self, name: str, *args: Any) -> Any:
        return self._run(lambda: getattr(self._redis, name)(*args))

    def _run(self, command: Callable[[], T]) -> T:
        with waits.on("Redis"):
            try:
                return self._timeout.call(command)
            except TimeoutError as late:
                raise ServiceUnavailableError("Redis", self.address, str(late)) from None
            except redis.RedisError as error:
                raise self._unavailable(error) from None

    def _unavailable(self, error: redis.RedisError) -> ServiceUnavailableError:
        return (
            ServiceUnavailableError("Redis", self.address, "refuses the password", "correct REDIS_URL")
            if isinstance(error, redis.AuthenticationError)
            else ServiceUnavailableError("Redis", self.address, f"can't be used ({type(error).__name__})")
        )


def _counter(user_id: str, period: str) -> str:
    return f"usage:{user_id}:{period}:calls"
