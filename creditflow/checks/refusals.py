"""Refusals: what a refused user gets, and whether it explains what to do.

The codes are the contract's; the form is a problem document (RFC 9457); the conventions of rate limits are those of
RFC 6585 and RFC 9110.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from creditflow.actors.llm_requests import Answer
from creditflow.core import period
from creditflow.core.expect import Finding, agree, holds
from creditflow.target.drivers import proxies
from creditflow.target.drivers.http import Http, Reply

_INTERNALS = re.compile(
    r"Traceback|File \"|\bline \d+, in\b|psycopg|asyncpg|sqlalchemy"
    r"|\bSELECT\b.+\bFROM\b|\bINSERT INTO\b|\bUPDATE\b.+\bSET\b|Bearer [A-Za-z0-9._-]{8,}|\beyJ[A-Za-z0-9_-]{8,}|\bsk-[A-Za-z0-9_-]{8,}|postgres(?:ql)?://|redis://",
    re.S,
)
_BEFORE = (
    r"(?:^|[,;:\u2013\u2014(]\s*|\b(?:please|and|or|so|then|now|first|just|simply|instead)\s+"
    r"|\byou\s+(?:can|may|could|must|should|will\s+have\s+to|need\s+to|have\s+to)\s+(?:also\s+|instead\s+)?"
    r"|\b(?:has|have|needs?|try|free|able)\s+to\s+|\b(?:ask|tell)\b[^.;!?]*?\bto\s+)"
)
"""What stands before the verb of an instruction; a verb elsewhere ("we check", "was checked") is no instruction."""

_KEY = r"(?:api[ -])?keys?\b|\b(?:it|credentials?)\b"
_NEW_ONE = (
    r"\b(?:an?\s+|another\s+)?(?:(?:new|working|valid|different|other|correct|fresh)\s+)?(?:one|another)\b(?!\s+of\b)"
)
_CREDITS = r"credits?\b|\b(?:plan|subscription|balance|account|budget|tier|some|more|them)\b"
_ASK = r"ask|contact|tell|request|(?:turn|talk|write|reach\s+out)\s+to|speak\s+(?:to|with)|get\s+in\s+touch\s+with"
_ADMIN = r"admin(?:s|istrators?)?\b|\b(?:organi[sz]ation|workspace|team)\s+(?:owner|manager)s?\b"
_BUY = r"upgrade|buy|purchase|top\s+up|recharge|refill"
_WHILE = r"until|till|moment|minutes?|seconds?|hours?|while|bit|later|again|next\s+month"


def _instruction(verbs: str, objects: str, directly: str = "") -> str:
    """Return the pattern of an instruction: a verb where an instruction has it, with its object in the same sentence.

    Args:
        verbs: what to do, as alternatives of a pattern.
        objects: with what, anywhere behind the verb.
        directly: with what, if it stands directly behind the verb.
    """
    behind = rf"[^.;!?]*?\b(?:{objects})" + (rf"|\s+(?:{directly})" if directly else "")
    return rf"{_BEFORE}(?:{verbs})\b(?:{behind})"


@dataclass(frozen=True)
class Advice:
    """What a message has to say: what is wrong, and what to do about it.

    Attributes:
        wrong: the pattern of what is wrong, within one sentence.
        meaning: what that pattern means, behind "the message does not say that".
        do: the pattern of the instruction.
        doing: what that instruction is, behind "the message does not tell its reader to".
    """

    wrong: str
    meaning: str
    do: str
    doing: str


_ADVICE = {
    "buy": Advice(
        r"\b(?:insufficient|enough|too\s+few|more|only|less|lack|ran\s+out|run\s+out|no|out\s+of|exceeds?"
        r"|not\s+have|low|remaining|left|available)\b[^.!?]*\b(?:credits?|balance|available|funds)\b"
        r"|\b(?:credits?|balance|funds)\b[^.!?]*\b(?:insufficient|not\s+enough|too\s+low|exhausted|used\s+up"
        r"|remaining|left|available)\b",
        "the credits are too few",
        _instruction(_BUY, _CREDITS, r"to\b|at\b|now\b|here\b") + "|" + _instruction("add|get|order", "credits?"),
        "buy credits or to upgrade",
    ),
    "admin": Advice(
        r"\b(?:alloca\w*|credits?|budget|limit|purchase\w*)\b",
        "credits or an allocation are missing",
        _instruction(_ASK, _ADMIN),
        "turn to the organisation's admin",
    ),
    "allocation": Advice(
        r"(?:\b(?:no|not|nothing|never|without|none|missing|yet\s+to|0)|n't)\b[^.!?]*\balloca"
        r"|\balloca\w*\b[^.!?]*\b(?:missing|none|not|nothing|0)\b",
        "no credits were allocated",
        _instruction(_ASK, _ADMIN),
        "turn to the organisation's admin",
    ),
    "no purchase": Advice(
        r"(?:\b(?:nothing|not|no|never|yet\s+to)|n't)\b[^.!?]*\b(?:purchased?|bought|credits(?!\s+(?:\w+\s+)?alloca))\b",
        "nothing was purchased",
        _instruction("purchase|buy", _CREDITS) + "|" + _instruction("add", "credits?"),
        "purchase credits first",
    ),
    "no key": Advice(
        r"(?:\b(?:no|not|without|missing|yet\s+to)|n't)\b[^.!?]*\bkeys?\b"
        r"|\bkeys?\b[^.!?]*\b(?:not|missing|n't)\b",
        "no key is stored",
        _instruction(
            r"store|save|add|set(?:\s+up)?|configure|connect|enter|provide|create|upload|paste",
            _KEY,
            _NEW_ONE,
        ),
        "store a key",
    ),
    "check key": Advice(
        r"\b(?:refus|reject|invalid|incorrect|wrong|not\s+valid|not\s+accept|not\s+work|did\s?n.t\s+accept|revoked"
        r"|expired|unknown|declin|unauthori[sz]ed|disabled|fail)\w*\b[^.!?]*\bkeys?\b"
        r"|\bkeys?\b[^.!?]*\b(?:refus|reject|invalid|incorrect|wrong|not\s+valid|not\s+accept|(?:not|n't|longer)\s+work"
        r"|revoked|expired|unknown|declin|disabled|fail|n't\s+accept)",
        "the provider refused the key",
        _instruction(
            r"check|verify|correct|replace|store|save|enter|update|rotate|create|generate|add|paste|renew|find|set",
            _KEY,
            rf"{_NEW_ONE}|that\b",
        )
        + r"|\bkeys?\b[^.;!?]*\b(?:must|has\s+to|should|needs?\s+to)\s+be\s+(?:check|replac|correct|renew|updat)ed\b",
        "check the stored key or to store another",
    ),
    "own account": Advice(
        r"\b(?:your|own)\b[^.!?]*\bkey\b[^.!?]*\b(?:money|no\s+(?:credits?|balance)|empty|rate|limit(?:ed|s)?)\b",
        "the account of the user's own key is empty or rate-limited",
        _instruction(r"add|top\s+up|recharge|refill|raise", r"money|some|credits?|balance|funds|provider|limit")
        + "|"
        + _instruction("wait|try|retry|send", _WHILE)
        + "|"
        + _instruction("use|store|choose", r"key|credits?"),
        "add money at the provider, to wait, or to pay with credits",
    ),
    "quota": Advice(
        r"\b(?:calls?|requests?|quota|limit|usage)\b[^.!?]*\b(?:used|exceeded|reached|exhausted|hit|left)\b"
        r"|\b(?:used|exceeded|reached|exhausted|hit|no)\b[^.!?]*\b(?:calls?|requests?|quota|limit)\b",
        "the month's calls are used up",
        _instruction(r"wait|try|retry|come\s+back|continue|repeat|resume|send", rf"{_WHILE}|after|from|on|\d{{4}}")
        + "|"
        + _instruction("upgrade", _CREDITS, r"to\b|at\b|now\b|here\b")
        + r"|\b(?:resets?|renews?|refreshes|restored)\b[^.!?]*\d"
        + r"|\b(?:starts?|begins?|available)\s+(?:\w+\s+)?(?:from|on)\b[^.!?]*\d",
        "wait for a day or to upgrade",
    ),
    "not charged": Advice(
        r"(?:\b(?:nothing|not|no|without)|n't)\b[^.,!?]*\b(?:charged?|billed|deducted|cost)\b",
        "nothing was charged",
        _instruction("try|send|wait", _WHILE)
        + "|"
        + _instruction("retry|repeat|re-?send|change|choose|switch", "again|later|request|model|parameters?"),
        "try again or to change something",
    ),
}  # fmt: skip
"""What the messages of the features have to say, by the words that the steps use."""

_READ = 1_000
"""The characters of a message that people read."""


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
    """Require a reply to be this refusal: a problem document that repeats its status, with a request id for support.

    A 503 also has a Retry-After (contract, "When a service is away").
    """
    findings = [Finding(f"{who} got the status", reply.status, wanted.status)]
    if reply.status == wanted.status:
        if wanted.code:
            findings.append(Finding(f"{who} got the code", reply.body.get("code"), wanted.code))
        kind = reply.body.get("type")
        findings.append(
            Finding("the problem's type is", kind, kind if kind and isinstance(kind, str) else "an address")
        )
        findings.append(Finding("the problem's own status is", reply.body.get("status"), wanted.status))
        findings.append(Finding("the refusal's media type is", _media_type(reply), "application/problem+json"))
        request = reply.headers.get("X-Request-Id") or None
        findings.append(Finding("the refusal's X-Request-Id is", request, request or "an id"))
        if wanted.status == 503:
            seconds = _whole(reply, "Retry-After")
            findings.append(Finding("the refusal's Retry-After is", seconds, seconds or "a number of seconds"))
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
    """Require that the message says what is wrong and what to do next (contract, "Every endpoint").

    Judged is what a reader can act on: an instruction with its object. A courtesy, a statement, or an instruction of
    another case is none.
    """
    advice = _ADVICE[topic]
    detail = str(reply.body.get("detail", ""))
    read = detail[:_READ]
    holds(
        re.search(advice.wrong, read, re.I | re.S) is not None,
        f"the message does not say that {advice.meaning}: it reads '{detail}'",
    )
    holds(
        any(re.search(advice.do, sentence, re.I | re.S) for sentence in re.split(r"(?<=[.!?])\s+", read)),
        f"the message does not tell its reader to {advice.doing}: it reads '{detail}'",
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


def leads_to_a_page(reply: Reply, ops_center: Http) -> None:
    """Require that the upgrade link leads somewhere: to a page, or on to a page of sign-in.

    A link to another host than Ops-Center's is not followed. It must be safe to use: https, or on this machine.
    """
    named = str(reply.body.get("upgrade_url", ""))
    try:
        link = urlsplit(named)
    except ValueError:
        raise AssertionError(f"the upgrade link is no address: {named[:100]}.") from None
    if link.netloc != urlsplit(ops_center.url).netloc:
        holds(proxies.hides(link.geturl()), f"the upgrade link is neither https nor on this machine: {link.netloc}")
        return
    page = ops_center.send("GET", link._replace(scheme="", netloc="", fragment="").geturl())
    leads_on = 300 <= page.status < 400 and bool(page.headers.get("Location"))
    holds(
        leads_on or (page.status == 200 and "html" in _media_type(page)),
        f"the upgrade link leads to no page: {link.path} answers {page.status} {_media_type(page)}",
    )


def names_reset_date(reply: Reply) -> None:
    """Require that the sentence says that the calls are used up, and names the first day of the next quota (C2.S5)."""
    day = period.reset().date()
    detail = str(reply.body.get("detail", ""))
    month = rf"(?:{day:%B}|{day:%b}\.?)"
    spellings = rf"{day.isoformat()}|\b0?{day.day} {month} {day.year}|\b{month} 0?{day.day}(?:st)?,? {day.year}"
    holds(
        re.search(spellings, detail, re.I) is not None,
        f"the message does not name the reset date {day.isoformat()}: it reads '{detail}'",
    )
    says(reply, "quota")


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
