"""The error bodies of Lago's API, each an exception that a route raises."""

from collections import defaultdict
from typing import Any

from starlette.responses import JSONResponse

VALUE_IS_MANDATORY = "value_is_mandatory"
VALUE_ALREADY_EXIST = "value_already_exist"
VALUE_IS_INVALID = "value_is_invalid"
VALUE_IS_OUT_OF_RANGE = "value_is_out_of_range"
INVALID_DATE = "invalid_date"
INVALID_FORMAT = "invalid_format"
INVALID_EMAIL_FORMAT = "invalid_email_format"
CURRENCIES_DOES_NOT_MATCH = "currencies_does_not_match"


class ApiError(Exception):
    """An answer other than success: an HTTP status and Lago's JSON body for it."""

    def __init__(self, status: int, error: str, **details: Any) -> None:
        super().__init__(error)
        self.status = status
        self.body: dict[str, Any] = {"status": status, "error": error, **details}

    def response(self) -> JSONResponse:
        """The answer to send."""
        return JSONResponse(self.body, status_code=self.status)


def bad_request(message: str) -> ApiError:
    """400, for a body that is no JSON object or lacks its root key."""
    return ApiError(400, f"BadRequest: {message}")


def unauthorized() -> ApiError:
    """401, for a missing, unknown or expired API key."""
    return ApiError(401, "Unauthorized")


def forbidden(code: str) -> ApiError:
    """403, for what only a premium licence may do."""
    return ApiError(403, "Forbidden", code=code)


def not_found(resource: str) -> ApiError:
    """404 with the code `<resource>_not_found`; an unknown route is the resource `resource`."""
    return ApiError(404, "Not Found", code=f"{resource}_not_found")


def not_allowed(code: str) -> ApiError:
    """405, for an action that the object's state does not allow."""
    return ApiError(405, "Method Not Allowed", code=code)


def internal() -> ApiError:
    """500, for a failure of the stand-in itself; says nothing about its cause."""
    return ApiError(500, "Internal Server Error")


def invalid(**fields: str) -> ApiError:
    """422 with one code a field."""
    return unprocessable({field: [code] for field, code in fields.items()})


def unprocessable(details: dict[str, Any]) -> ApiError:
    """422 with the given `error_details`."""
    return ApiError(422, "Unprocessable Entity", code="validation_errors", error_details=details)


class FieldErrors:
    """Collects what is wrong with the fields of one request, so that one answer names all of it."""

    def __init__(self) -> None:
        self._codes: dict[str, list[str]] = defaultdict(list)

    def add(self, field: str, code: str) -> None:
        """Note that `field` is wrong in the way `code` says."""
        self._codes[field].append(code)

    def details(self) -> dict[str, list[str]]:
        """Field to codes; empty when nothing is wrong."""
        return dict(self._codes)

    def raise_if_any(self) -> None:
        """Raise the 422 for what was noted, if anything was."""
        if self._codes:
            raise unprocessable(self.details())
