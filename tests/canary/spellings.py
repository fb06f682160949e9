"""All spellings of a secret, and a search for them."""

from __future__ import annotations

import base64
import html
import json
import re
import textwrap
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{24,}={0,2}")


def spellings(secret: str) -> dict[str, str]:
    """Return a secret as logs, answers and addresses write it, by the name of the spelling."""
    raw = secret.encode()
    basic = [f"{'ab'[:n]}:{secret}".encode() for n in range(3)]
    return {
        "as it is": secret,
        "URL-encoded": quote(secret, safe=""),
        "URL-encoded, path": quote(secret),
        "form-encoded": quote_plus(secret),
        "URL-encoded in small letters": re.sub("%..", lambda code: code.group().lower(), quote(secret, safe="")),
        "JSON": json.dumps(secret)[1:-1],
        "JSON in JSON": json.dumps(json.dumps(secret))[3:-3],
        "HTML": html.escape(secret),
        "JSON in HTML": html.escape(json.dumps(secret)[1:-1]),
        "Python": repr(secret)[1:-1],
        "Python bytes": repr(raw)[2:-1],
        "base64": base64.b64encode(raw).decode(),
        "base64 without its end": base64.b64encode(raw).decode().rstrip("="),
        "base64 for URLs": base64.urlsafe_b64encode(raw).decode(),
        **{f"basic auth {n}": base64.b64encode(user).decode() for n, user in enumerate(basic)},
        **{f"basic auth {n} for URLs": base64.urlsafe_b64encode(user).decode() for n, user in enumerate(basic)},
    }


def written(secret: str) -> str:
    """Return a text with a secret in every spelling, complete and over several lines."""
    lines = []
    for name, spelling in spellings(secret).items():
        middle = len(spelling) // 2
        one, two = spelling[:middle], spelling[middle:]
        lines += [f"{name}: {spelling} (and more)", f"key={spelling}&more=1", f"{name} broken: {one}\n    {two} ..."]
        lines += [f"> {one}\n> {two}", json.dumps(f"{one}\n{two}"), f"{one}\r\n\t{two}", f"{one}<br>{two}"]
        lines += textwrap.wrap(f"{name} wrapped: {spelling}", 20)
    lines.append(f"postgresql://unicorn:{quote(secret, safe='')}@db.example:5432/unicorn_db")
    lines.append(f"cut: {secret[: len(secret) * 3 // 4]}")
    return "\n".join(lines)


def written_briefly(secret: str) -> str:
    """Return a text with a secret in common spellings, and over two lines."""
    middle = len(secret) // 2
    lines = [spellings(secret)[name] for name in ("as it is", "URL-encoded", "JSON", "HTML", "basic auth 1")]
    return "\n".join([*lines, f"{secret[:middle]}\n    {secret[middle:]}"])


def traces(secrets: dict[str, str], data: bytes) -> Iterator[str]:
    """Find secrets in the bytes of a file, also within base64: their names and spellings."""
    text = data.decode("utf-8", "replace")
    texts = {"": text, " over lines": _joined(text)}
    hidden = b"\n".join(_decoded(found.group()) for found in _BASE64.finditer(text))
    texts[" within base64"] = hidden.decode("utf-8", "replace")
    for name, secret in secrets.items():
        for spelling, value in spellings(secret).items():
            needle = value[4:-6] if "basic" in spelling else value
            yield from (f"{name}, {spelling}{where}" for where, there in texts.items() if needle in there)
        half = secret[: len(secret) * 3 // 4]
        yield from (f"three quarters of {name}{where}" for where, there in texts.items() if half in there)


def _joined(text: str) -> str:
    return re.sub(r"(?:\r?\n|\\r\\n|\\n|<br>)[ \t>]*", "", text)


def _decoded(text: str) -> bytes:
    plain = text.rstrip("=").translate(str.maketrans("-_", "+/"))
    return base64.b64decode(plain[: len(plain) // 4 * 4])
