"""How Lago's routes split a path: undecoded, and for customers at the dot too.

Rails gives a customer id no constraint, so that what follows a dot is a format: `/customers/ann@example.com`
names the customer `ann@example`. Subscription ids may contain dots. `%2F` is not a separator.
"""

from urllib.parse import unquote

from fastapi import APIRouter
from starlette.convertors import Convertor, register_url_convertor
from starlette.types import ASGIApp, Receive, Scope, Send


class _Decoded(Convertor[str]):
    """A path parameter that is matched undecoded and passed on decoded."""

    def convert(self, value: str) -> str:
        return unquote(value)

    def to_string(self, value: str) -> str:
        raise NotImplementedError("The stand-in builds no URLs; write the path out.")


class _Undotted(_Decoded):
    regex = r"[^/.]+"


class _Dotted(_Decoded):
    regex = r"[^/]+"


register_url_convertor("undotted", _Undotted())
register_url_convertor("dotted", _Dotted())


def make_router() -> APIRouter:
    """Return a router; its paths can use the convertors `undotted` and `dotted`."""
    return APIRouter()


class UndecodedPath:
    """Middleware that gives the router the undecoded path, so that `%2F` stays inside an id."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its undecoded path."""
        if scope["type"] == "http" and (raw_path := scope.get("raw_path")):
            scope["path"] = raw_path.decode("ascii", "replace").partition("?")[0]
        await self.app(scope, receive, send)
