"""Redis: the usage counters of the contract's section "Redis", and a search for what must not be there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

import redis

from creditflow.core.errors import ServiceUnavailableError
from creditflow.core.wait_statistics import waits
from creditflow.target.drivers.record import Note, unnoted
from creditflow.target.drivers.request_timeout import Patience

T = TypeVar("T")


class Counters:
    """The counters that Ops-Center keeps in Redis.

    Args:
        url: `redis://[:password@]host:port/db`.
        timeout_s: deadline of every command, in seconds.
        note: told when somebody's keys are removed.
    """

    def __init__(self, url: str, timeout_s: float, note: Note = unnoted) -> None:
        self._note = note
        parts = urlsplit(url)
        self.address = f"{parts.hostname}:{parts.port or 6379}"
        self._patience = Patience(timeout_s)
        self._redis: Any = redis.Redis.from_url(
            url, socket_timeout=timeout_s, socket_connect_timeout=timeout_s, decode_responses=True,
            encoding_errors="replace",
        )  # fmt: skip

    def calls(self, user_id: str, period: str) -> int | str | None:
        """The counted calls of a person in a period (`YYYY-MM`, UTC).

        None when Redis holds no counter, and the text that stands there when it is no number.
        """
        value: str | None = self._ask("get", _counter(user_id, period))
        return int(value) if value is not None and value.isdecimal() else value

    def calls_of(self, user_ids: Sequence[str], period: str) -> dict[str, str | None]:
        """The counters of several people in a period, as the texts that stand there; None without a counter."""
        if not user_ids:
            return {}
        values = self._ask("mget", [_counter(user_id, period) for user_id in user_ids])
        return dict(zip(user_ids, values, strict=True))

    def everything(self) -> dict[str, str]:
        """Every key with its value as a text."""
        return {key: self._written(key) for key in self._scan("*")}

    def seconds_to_expiry(self, user_id: str, period: str) -> int:
        """Seconds until a counter expires; -1 when it never does, -2 when there is none."""
        return int(self._ask("ttl", _counter(user_id, period)))

    def seconds_of_the_plan(self, user_id: str) -> int:
        """Seconds for which a person's plan is remembered; -1 for ever, -2 when it is not remembered."""
        return int(self._ask("ttl", f"tier:{user_id}"))

    def forget(self, user_id: str) -> int:
        """Remove every key of a person, as a flush would; returns how many there were."""
        self._note("forget_counter", None, None, user_id=user_id)
        keys = [*self._scan(f"usage:{user_id}:*"), *self._scan(f"tier:{user_id}")]
        return int(self._ask("delete", *keys)) if keys else 0

    def people(self) -> set[str]:
        """The ids of all people of whom there are keys."""
        return {key.split(":")[1] for pattern in ("usage:*", "tier:*") for key in self._scan(pattern)}

    def keys_holding(self, texts: list[str]) -> list[str]:
        """The keys whose name or value contains one of the texts."""
        return [key for key in self._scan("*") if any(t in key or t in self._written(key) for t in texts)]

    def version(self) -> str:
        """The server's version."""
        return str(self._ask("info", "server")["redis_version"])

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()

    def _scan(self, pattern: str) -> list[str]:
        return self._within(lambda: list(self._redis.scan_iter(match=pattern, count=1000)))

    def _written(self, key: str) -> str:
        read = {
            "string": lambda: self._ask("get", key),
            "hash": lambda: self._ask("hgetall", key),
            "list": lambda: self._ask("lrange", key, 0, -1),
            "set": lambda: self._ask("smembers", key),
            "zset": lambda: self._ask("zrange", key, 0, -1),
            "stream": lambda: self._ask("xrange", key),
        }.get(str(self._ask("type", key)))
        return str(read()) if read else ""

    def _ask(self, command: str, *args: Any) -> Any:
        return self._within(lambda: getattr(self._redis, command)(*args))

    def _within(self, question: Callable[[], T]) -> T:
        with waits.on("Redis"):
            try:
                return self._patience.within(question)
            except TimeoutError as late:
                raise ServiceUnavailableError("Redis", self.address, str(late)) from None
            except redis.RedisError as error:
                raise self._away(error) from None

    def _away(self, error: redis.RedisError) -> ServiceUnavailableError:
        return (
            ServiceUnavailableError("Redis", self.address, "refuses its password", "correct REDIS_URL")
            if isinstance(error, redis.AuthenticationError)
            else ServiceUnavailableError("Redis", self.address, f"can't be asked ({type(error).__name__})")
        )


def _counter(user_id: str, period: str) -> str:
    return f"usage:{user_id}:{period}:calls"
