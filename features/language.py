"""The vocabulary of the features: roles, plans, models, and numbers as people write them."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cached_property
from typing import Any

from behave import use_default_step_matcher
from behave.cucumber_expression import StepMatcher4CucumberExpressions, define_parameter_type_with
from behave.matchers import Matcher, register_step_matcher_class
from cucumber_expressions.expression import CucumberExpression

from creditflow.actors import MODELS
from creditflow.actors.attempts import ATTEMPTS, MALFORMED, UNKNOWN
from creditflow.actors.request_shapes import ADDITIONS, SHAPES
from creditflow.checks.own_runs import SELECTIONS
from creditflow.checks.refusals import Refusal
from creditflow.checks.reports import PARTS

ROLES = (
    "individual",
    "trial user",
    "BYOK user",
    "second admin",
    "admin",
    "second member",
    "member",
    "colleague",
    "stranger",
    "neighbour",
)
SERVICES = ("Keycloak", "PostgreSQL", "Redis", "Lago", "LiteLLM", "Ops-Center", "the provider")
WAYS = {
    "is away": "away",
    "goes away": "away",
    "is paused": "paused",
    "refuses connections": "refusing",
    "answers with errors": "failing",
    "answers 10 seconds late": "late",
}
"""The ways in which a service fails, and their names in `creditflow.target.outages`."""
ORDINALS = ("first", "second", "third")
PLANS = ("Trial", "Starter", "Professional", "Platform", "Enterprise")
TROUBLES = {
    "answers with a server error": "server_error",
    "refuses the platform's key": "bad_key",
    "takes too long to answer": "slow",
    "breaks streams off": "broken_stream",
    "breaks streams off after it counted the tokens": "broken_end",
    "finds the account empty": "out_of_money",
    "limits the rate of the account": "rate_limited",
}
"""The ways in which the provider fails, and their names in its stand-in."""
CASTS = {
    "individuals": ("own",),
    "organisations and their members": ("members",),
    "people with keys of their own": ("keys",),
    "everybody": ("own", "members", "keys"),
}
"""Who takes part in random histories."""
ASKING = {"asks for the usage": True, "does not ask for the usage": None, "switches the usage off": False}
"""What the client of a stream says about the usage."""

_FREE = re.compile(r"\{[^}]*\}|\S*[/()\\]\S*")
"""What stands for several words in a cucumber expression: a parameter, an alternative, an optional part."""

_WORDS = {"no": 0, "one": 1, "once": 1, "twice": 2}
_NUMBER = r"-?\d[\d,]*|no|one"
_REFUSAL = r'\d{3}(?: "[a-z ]+"| [A-Z][A-Za-z]+(?: [A-Z][A-Za-z]+)*)?'


def number(text: str) -> int:
    """Read a number as people write it: 10,000; no; one."""
    return _WORDS[text] if text in _WORDS else int(text.replace(",", ""))


def listed(text: str) -> list[str]:
    """Read a list as people write it: Redis, Lago and LiteLLM."""
    return text.replace(" and ", ", ").split(", ")


def numbers(text: str) -> list[int]:
    """Read a list of numbers as people write it: 9, 48 and 15."""
    return [number(part) for part in listed(text)]


def owner(text: str) -> str:
    """Return the person that a possessive means: their, the member's."""
    return "they" if text == "their" else text.removesuffix("'s")


class Sentence(StepMatcher4CucumberExpressions):
    """The cucumber expression of a step definition; it is compiled as soon as a step has all its fixed words."""

    NAME = "sentence"

    def __init__(self, func: Callable[..., None], pattern: str, step_type: str | None = None) -> None:
        Matcher.__init__(self, func, pattern, step_type=step_type)
        fixed = _FREE.split(pattern)
        self._beginning, self._between, self._end = fixed[0], fixed[1:-1], fixed[-1]

    @cached_property
    def cucumber_expression(self) -> CucumberExpression:
        """The compiled expression."""
        return CucumberExpression(self.pattern, self.TYPE_REGISTRY.parameter_types)

    def check_match(self, step_text: str) -> Any:
        """Return the arguments of a step, or None if it is another sentence."""
        fits = step_text.startswith(self._beginning) and step_text.endswith(self._end)
        fits = fits and all(words in step_text for words in self._between)
        return super().check_match(step_text) if fits else None


def speak() -> None:
    """Register the vocabulary with behave, and cucumber expressions as the language of the steps."""
    register_step_matcher_class(Sentence.NAME, Sentence)
    use_default_step_matcher(Sentence.NAME)
    roles = "|".join(ROLES)
    _define("who", f"they|them|the (?:{roles})", str, str)
    _define("whose", f"their|the (?:{roles})'s", str, owner)
    _define("role", roles, str, str)
    _define("organization", "the (?:second )?organisation", str, str)
    _define("plan", "|".join(PLANS), str, str.lower)
    _define("model", "|".join(sorted(MODELS, key=len, reverse=True)), str, str)
    _define("number", _NUMBER, int, number)
    _define("numbers", r"\d[\d,]*(?:, \d[\d,]*)* and \d[\d,]*", list, numbers)
    _define("kind", "a|a streamed", bool, lambda text: text == "a streamed")
    _define("act", "|".join(sorted(ATTEMPTS, key=len, reverse=True)), str, str)
    _define("mistake", "|".join(sorted(MALFORMED, key=len, reverse=True)), str, str)
    _define("shape", "|".join(sorted(SHAPES, key=len, reverse=True)), str, str)
    _define("addition", "|".join(sorted(ADDITIONS, key=len, reverse=True)), str, str)
    _define("unknown", "|".join(UNKNOWN), str, str)
    _define("text", r'an empty text|"[^"]*"', str, lambda text: "" if text == "an empty text" else text.strip('"'))
    _define("stored", r"no key is stored|a key of \w+ is stored", str, str)
    _define("service", "|".join(SERVICES), str, str)
    _define("way", "|".join(WAYS), str, WAYS.__getitem__)
    _define("caller", "somebody (?:with|without) an? [a-z -]+", str, lambda text: text.removeprefix("somebody "))
    _define("selection", "|".join(SELECTIONS), str, str)
    services = "|".join(SERVICES)
    _define("services", f"(?:{services})(?:, (?:{services}))* and (?:{services})", list, listed)
    _define("tag", "@[a-z0-9-]+", str, str)
    _define("part", "|".join(PARTS), str, str)
    _define("fate", "failed|were skipped", str, lambda text: text.removeprefix("were "))
    _define("table", "[a-z_]+", str, str)
    _define("columns", "[a-z_]+(?:, [a-z_]+)+", list, lambda text: text.split(", "))
    _define("ordinal", "|".join(ORDINALS), int, lambda text: ORDINALS.index(text) + 1)
    _define("trouble", "|".join(sorted(TROUBLES, key=len, reverse=True)), str, TROUBLES.__getitem__)
    _define("asking", "|".join(ASKING), object, ASKING.__getitem__)
    _define("cast", "|".join(CASTS), tuple, CASTS.__getitem__)
    _define("provider", "OpenRouter|OpenAI", str, str.lower)
    _define("refusal", _REFUSAL, Refusal, Refusal.of)


def _define(name: str, pattern: str, kind: type, read: Callable[[str], Any]) -> None:
    define_parameter_type_with(name, pattern, kind, read, use_for_snippets=False)
