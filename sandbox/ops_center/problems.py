"""Errors as users see them: application/problem+json (RFC 9457) with the contract's `code`.

A `detail` is a sentence that says what to do next, without any internals.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 2


class ProblemError(Exception):
    """An answer other than success: status, the contract's code, a sentence, and members such as upgrade_url."""

    def __init__(
        self, status: int, code: str, detail: str, *, headers: Mapping[str, str] | None = None, **members: str
    ) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = members
        if status == HTTPStatus.UNAUTHORIZED:
            self.headers.setdefault("WWW-Authenticate", "Bearer")

    def body(self) -> dict[str, Any]:
        """Return the problem as JSON."""
        return {
            "type": f"urn:ops-center:problem:{self.code}",
            "title": self.code.replace("_", " ").capitalize(),
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            **self.members,
        }

    def response(self) -> JSONResponse:
        """Return the problem as an HTTP answer."""
        return JSONResponse(self.body(), self.status, self.headers, media_type=MEDIA_TYPE)


class UnavailableError(ProblemError):
    """A 503: a system that this answer needs is away."""

    def __init__(self, what: str) -> None:
        super().__init__(
            503,
            "service_unavailable",
            f"{what} can't be reached at the moment; nothing was charged. Try again in a few seconds.",
            headers={"Retry-After": str(RETRY_SECONDS)},
        )


def invalid(errors: Sequence[Mapping[str, Any]]) -> ProblemError:
    """Return a 422 for pydantic's errors: the place and the error, without the value (it may be a key)."""
    errors_found = [f"{_place(error['loc'])}: {error['msg']}" for error in errors]
    return ProblemError(422, "invalid_request", f"Correct the request and send it again. {'; '.join(errors_found)}.")


def _place(loc: Sequence[str | int]) -> str:
    return ".".join(str(part) for part in loc if part not in ("body", "path", "query", "header")) or "body"


def from_http_exception(error: HTTPException) -> ProblemError:
    """Return the problem for a refusal of the framework: an unknown route or a wrong method."""
    details = {
        404: ("not_found", "There is nothing at this address. Check the path against the API reference."),
        405: (
            "method_not_allowed",
            "This address does not take that method. The Allow header names those it does.",
        ),
    }
    code, detail = details.get(error.status_code, ("bad_request", "The request can't be understood. Check its form."))
    return ProblemError(error.status_code, code, detail, headers=error.headers)


def internal() -> ProblemError:
    """Return a 500 for an unexpected error; its trace is in the log."""
    return ProblemError(500, "internal_error", "Something went wrong here, not with your request. Try again later.")
