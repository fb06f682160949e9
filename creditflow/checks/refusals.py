"""Refusals: what a refused user gets, and whether it explains what to do.

The codes are the contract's; the form is a problem document (RFC 9457); the conventions of rate limits are those of
RFC 6585 and RFC 9110.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from creditflow.actors.llm_requests import Answer
from creditflow.core import period
from creditflow.core.expect import Finding, agree, holds
from creditflow.target.drivers.http import Reply

_INTERNALS = re.compile(
    r"Traceback|File \"|\bline \d+, in\b|psycopg|asyncpg|sqlalchemy"
    r"|\bSELECT\b.+\bFROM\b|\bINSERT INTO\b|\bUPDATE\b.+\bSET\b|Bearer [A-Za-z0-9._-]{8,}|\beyJ[A-Za-z0-9_-]{8,}|\bsk-[A-Za-z0-9_-]{8,}|postgres(?:ql)?://|redis://",
    re.S,
)
_TOPICS = {
    "buy": (r"\b(?:upgrade|buy|purchase|top up)", "how to get more credits"),
    "admin": (r"\badmin", "that the organisation's admin can help"),
    "allocation": (r"\balloca", "that an allocation is missing"),
    "no purchase": (r"\b(?:nothing|not|no)\b.*\bpurchase", "that nothing was purchased"),
    "no key": (
        r"\b(?:no|not)\b.*\bkey\b.*\bstore|\bkey\b.*\bnot\b.*\bstored",
        "that no key is stored and how to store one",
    ),
    "check key": (r"\bkey\b", "that the stored key has to be checked"),
    "not charged": (r"\b(?:nothing|not|no)\b.*\bcharged?\b", "that nothing was charged"),
    "own account": (
        r"\b(?:your|own)\b.*\bkey\b.*\b(?:money|credits?|balance|empty|rate|limit(?:ed|s)?)\b",
        "that the account of the user's own key is empty or rate-limited",
    ),
}


PHRASES = {
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    407: "Proxy Authentication Required",
    408: "Request Timeout",
    409: "Conflict",
    410: "Gone",
    411: "Length Required",
    412: "Precondition Failed",
    413: "Content Too Large",
    414: "URI Too Long",
    415: "Unsupported Media Type",
    416: "Range Not Satisfiable",
    417: "Expectation Failed",
    421: "Misdirected Request",
    422: "Unprocessable Content",
    426: "Upgrade Required",
    428: "Precondition Required",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
    505: "HTTP Version Not Supported",
    511: "Network Authentication Required",
}
"""The phrases of RFC 9110, section 15, and RFC 6585; those of the standard library differ between Pythons."""


@dataclass(frozen=True)
class Refusal:
    """A refusal as a feature names it: the status, with the contract's code in words or the phrase of the status.

    Attributes:
        status: the HTTP status.
        words: the code in words, or the phrase.
        is_code: whether the words are a code.
    """

    status: int
    words: str = ""
    is_code: bool = False

    @staticmethod
    def of(text: str) -> Refusal:
        """Return the refusal that a text names: `402 "insufficient credits"`, `403 Forbidden` or `409`.

        Raises:
            ValueError: the phrase is not that of the status.
        """
        status, _, words = text.partition(" ")
        code = words.startswith('"')
        phrase = PHRASES.get(int(status), "no refusal of RFC 9110")
        if words and not code and words != phrase:
            raise ValueError(f"The feature calls {status} '{words}'; it is '{phrase}'.")
        return Refusal(int(status), words.strip('"'), code)

    @property
    def code(self) -> str:
        """The contract's code; empty if the feature names none."""
        return self.words.replace(" ", "_") if self.is_code else ""

    def fits(self, reply: Reply) -> bool:
        """Return whether a reply has this status, and this code if the feature names one."""
        return reply.status == self.status and self.code in ("", reply.body.get("code"))


def refused(reply: Reply, wanted: Refusal, who: str, recorded: Callable[[], str]) -> None:
    """Require a reply to be this refusal: a problem document that repeats its status, with a request id for support."""
    findings = [Finding(f"{who} got the status", reply.status, wanted.status)]
    if reply.status == wanted.status:
        if wanted.code:
            findings.append(Finding(f"{who} got the code", reply.body.get("code"), wanted.code))
        findings.append(Finding("the problem's own status is", reply.body.get("status"), wanted.status))
        findings.append(Finding("the refusal's media type is", _media_type(reply), "application/problem+json"))
        request = reply.headers.get("X-Request-Id") or None
        findings.append(Finding("the refusal's X-Request-Id is", request, request or "an id"))
    agree(findings, lambda: f"the answer reads: {reply.text[:300] or 'nothing'}; {recorded()}")


def each_refused(answers: Iterable[Answer], wanted: Refusal) -> None:
    """Require that each of these requests of unusual shapes got this refusal."""
    agree(
        Finding(
            f"a request {answer.request.shape} is answered with",
            f"{answer.reply.status} {answer.code}".strip(),
            f"{wanted.status} {wanted.code}".strip(),
        )
        for answer in answers
    )


def clear(reply: Reply) -> None:
    """Require a refusal that a person can act on: a title, a sentence, and no internals (A11)."""
    detail, title = str(reply.body.get("detail", "")), str(reply.body.get("title", ""))
    holds(bool(title), f"the refusal has no title: {reply.text[:300]}")
    holds(
        len(detail.split()) >= 5,
        f"the refusal says only '{detail}', which is no sentence about what to do",
    )
    found = _INTERNALS.search("\n".join([reply.text, *map(str, reply.body.values())]))
    holds(found is None, f"the refusal gives internals away: '{found.group(0)[:40] if found else ''}'")


def says(reply: Reply, topic: str) -> None:
    """Require that the sentence for the user is about a topic."""
    pattern, meaning = _TOPICS[topic]
    detail = str(reply.body.get("detail", ""))
    holds(
        re.search(pattern, detail, re.I | re.S) is not None,
        f"the message does not say {meaning}: it reads '{detail}'",
    )


def offers_upgrade(reply: Reply, mentions: str = "") -> None:
    """Require an upgrade link and a sentence about it (C1.S4).

    Args:
        reply: the refusal.
        mentions: what the link has to contain, such as the id of the organisation that pays.
    """
    link = str(reply.body.get("upgrade_url", ""))
    holds(link.startswith("http"), f"the refusal carries no upgrade link: {reply.text[:300]}")
    holds(mentions in link, "the upgrade link is not the organisation's own")
    says(reply, "buy")


def names_reset_date(reply: Reply) -> None:
    """Require that the sentence names the first day of the next quota (C2.S5)."""
    day = period.reset().date().isoformat()
    detail = str(reply.body.get("detail", ""))
    holds(day in detail, f"the message does not name the reset date {day}: it reads '{detail}'")


def rate_limit(reply: Reply, remaining: int, limit: int) -> None:
    """Require the rate-limit headers: limit, remaining, and the first second of the next period as the reset.

    A 429 also has a Retry-After that agrees with the reset (contract, "The LLM request"; RFC 6585 section 4).
    """
    reset = round(period.reset().timestamp())
    agree(
        [
            Finding("X-RateLimit-Limit is", _whole(reply, "X-RateLimit-Limit"), limit),
            Finding("X-RateLimit-Remaining is", _whole(reply, "X-RateLimit-Remaining"), remaining),
            Finding("X-RateLimit-Reset is", _whole(reply, "X-RateLimit-Reset"), reset, "(epoch seconds)"),
        ],
        lambda: f"the answer's status was {reply.status}",
    )
    if reply.status == 429:
        wait, left = _whole(reply, "Retry-After"), reset - round(period.now().timestamp())
        holds(
            wait is not None and abs(wait - left) <= 2,
            f"Retry-After is {wait}, but the quota resets in {left} s",
        )


def _whole(reply: Reply, header: str) -> int | None:
    value = reply.headers.get(header, "")
    return int(value) if re.fullmatch(r"-?[0-9]{1,18}", value) else None


def _media_type(reply: Reply) -> str:
    return reply.headers.get("Content-Type", "").split(";")[0]
