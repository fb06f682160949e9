"""Lago's pages: the parameters `page` and `per_page`, and the `meta` object of a list."""

from dataclasses import dataclass
from typing import Any, LiteralString

from starlette.requests import Request

from .database import Connection, Row

_LARGEST_PAGE = 1_000_000


@dataclass(frozen=True)
class Page:
    """The requested page of a list."""

    number: int
    size: int

    @classmethod
    def of(cls, request: Request) -> "Page":
        """Return the page that a request names; by default page 1, with 100 items."""
        params = request.query_params
        return cls(_positive(params.get("page"), 1), _positive(params.get("per_page"), 100))

    def meta(self, total: int) -> dict[str, int | None]:
        """Return the `meta` object for a list of `total` items; an empty list has Lago's form with zeros."""
        pages = -(-total // self.size)
        return {
            "current_page": self.number if total else 0,
            "next_page": self.number + 1 if self.number < pages else None,
            "prev_page": self.number - 1 if 1 < self.number <= pages else None,
            "total_pages": pages,
            "total_count": total,
        }

    async def select(
        self, connection: Connection, query: LiteralString, params: dict[str, Any]
    ) -> tuple[list[Row], dict[str, int | None]]:
        """Return the page's rows, newest first, and the `meta` object.

        `query` has named parameters, selects `id` and `created_at` and has no order of its own.
        """
        window = {"page_limit": self.size, "page_offset": (self.number - 1) * self.size}
        cursor = await connection.execute(
            f"select *, count(*) over () as total_count from ({query}) as listed"
            " order by created_at desc, id limit %(page_limit)s offset %(page_offset)s",
            params | window,
        )
        rows = await cursor.fetchall()
        if rows:
            return rows, self.meta(rows[0]["total_count"])
        if self.number == 1:
            return [], self.meta(0)
        cursor = await connection.execute(f"select count(*) as total from ({query}) as listed", params)
        counted = await cursor.fetchone()
        return [], self.meta(counted["total"] if counted else 0)


def _positive(value: str | None, default: int) -> int:
    if value and value.isascii() and value.isdecimal() and 0 < int(value) <= _LARGEST_PAGE:
        return int(value)
    return default
