"""The error bodies of Lago's API, each as an exception for a route to raise."""

from collections import defaultdict
from typing import Any

from starlette.responses import JSONResponse

VALUE_IS_MANDATORY = "value_is_mandatory"
VALUE_ALREADY_EXIST = "value_already_exist"
VALUE_IS_INVALID = "value_is_invalid"
INVALID_FORMAT = "invalid_format"
INVALID_EMAIL_FORMAT = "invalid_email_format"


class ApiError(Exception):
    """An answer other than success: an HTTP status and Lago's JSON body for it."""

    def __init__(self, status: int, error: str, **details: Any) -> None:
        super().__init__(error)
        self.status = status
        self.body: dict[str, Any] = {"status": status, "error": error, **details}

    def response(self) -> JSONResponse:
        """Return the response to send."""
        return JSONResponse(self.body, status_code=self.status)


def bad_request(message: str) -> ApiError:
    """Return a 400: the body is not a JSON object or has no root key."""
    return ApiError(400, f"BadRequest: {message}")


def unauthorized() -> ApiError:
    """Return a 401: the API key is missing, unknown or expired."""
    return ApiError(401, "Unauthorized")


def not_found(resource: str) -> ApiError:
    """Return a 404 with the code `<resource>_not_found`; an unknown route is the resource `resource`."""
    return ApiError(404, "Not Found", code=f"{resource}_not_found")


def not_allowed(code: str) -> ApiError:
    """Return a 405: the object's state does not allow the action."""
    return ApiError(405, "Method Not Allowed", code=code)


def internal() -> ApiError:
    """Return a 500 for a failure of the stand-in itself, without its cause."""
    return ApiError(500, "Internal Server Error")


def invalid(**fields: str) -> ApiError:
    """Return a 422 with one code for each field."""
    return unprocessable({field: [code] for field, code in fields.items()})


def unprocessable(details: dict[str, Any]) -> ApiError:
    """Return a 422 with the given `error_details`."""
    return ApiError(422, "Unprocessable Entity", code="validation_errors", error_details=details)


class FieldErrors:
    """The errors in the fields of one request, collected for one answer."""

    def __init__(self) -> None:
        self._codes: dict[str, list[str]] = defaultdict(list)

    def add(self, field: str, code: str) -> None:
        """Add the error `code` to `field`."""
        self._codes[field].append(code)

    def details(self) -> dict[str, list[str]]:
        """Return the codes by field; empty without errors."""
        return dict(self._codes)

    def raise_if_any(self) -> None:
        """Raise a 422 if there is any error."""
        if self._codes:
            raise unprocessable(self.details())
