"""How Lago's routes cut a path: on the undecoded path, and for customers at the dot too.

Rails gives a customer id no constraint, so what follows a dot is a format: `/customers/ann@example.com`
asks for the customer `ann@example`. Subscription ids and plan codes may hold dots. `%2F` is no separator.
"""

from urllib.parse import unquote

from fastapi import APIRouter
from starlette.convertors import Convertor, register_url_convertor
from starlette.types import ASGIApp, Receive, Scope, Send


class _Decoded(Convertor[str]):
    """A path parameter that is matched undecoded and handed on decoded."""

    def convert(self, value: str) -> str:
        return unquote(value)

    def to_string(self, value: str) -> str:
        raise NotImplementedError("The stand-in builds no URLs; write the path out.")


class _Undotted(_Decoded):
    regex = r"[^/.]+"


class _Dotted(_Decoded):
    regex = r"[^/]+"


class _Rest(_Decoded):
    regex = r".+"


register_url_convertor("undotted", _Undotted())
register_url_convertor("dotted", _Dotted())
register_url_convertor("rest", _Rest())


def make_router(prefix: str = "") -> APIRouter:
    """A router whose paths may use the convertors above: `undotted`, `dotted` and `rest`."""
    return APIRouter(prefix=prefix)


class UndecodedPath:
    """Middleware that lets the router see the path as it was sent, so that `%2F` stays inside an id."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its undecoded path."""
        if scope["type"] == "http" and (raw_path := scope.get("raw_path")):
            scope["path"] = raw_path.decode("ascii", "replace").partition("?")[0]
        await self.app(scope, receive, send)
