"""The plan of a load test: who sends what, when, and to which system; and what each request was answered."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

from creditflow.actors.llm_requests import Answer, LlmRequest
from creditflow.actors.people import Person
from creditflow.target.drivers.http import Reply

OPS_CENTER, LITELLM = "Ops-Center", "LiteLLM"
"""The two systems that get the load."""


@dataclass(frozen=True)
class Stage:
    """A part of the load: the first `users` people send requests to one system, from `start` to `end` (seconds)."""

    users: int
    system: str
    start: float
    end: float


@dataclass(frozen=True)
class User:
    """One user of the load, and the request that they send again and again.

    Attributes:
        person: who they are.
        credits: that they can spend, their own or allocated.
        own_key: whether their own provider key pays.
        stream: whether they ask for streams.
    """

    person: Person
    credits: int = 0
    own_key: bool = False
    stream: bool = False

    def request(self, model: str, tokens: int, mark: str) -> LlmRequest:
        """Return one of their requests."""
        return LlmRequest(model, tokens, own_key=self.own_key, stream=self.stream, mark=mark)


@dataclass(frozen=True)
class Plan:
    """A load test.

    Attributes:
        users: everybody, in the order in which they join.
        model: the plan's name of the model.
        tokens: that each request uses.
        pause_s: seconds from an answer to the same user's next request.
        stages: one after the other.
    """

    users: tuple[User, ...]
    model: str
    tokens: int
    pause_s: float
    stages: tuple[Stage, ...]

    @property
    def seconds(self) -> float:
        """How long all stages take together."""
        return self.stages[-1].end

    @property
    def most_requests(self) -> int:
        """How many requests there are if each is answered at once."""
        return sum(stage.users * math.ceil((stage.end - stage.start) / self.pause_s) for stage in self.stages)


def stages(few: int, all_: int, seconds: float) -> tuple[Stage, ...]:
    """Return five equal parts: a few users, then twice all at Ops-Center and at LiteLLM, in turn."""
    parts = [(few, OPS_CENTER), *[(all_, OPS_CENTER), (all_, LITELLM)] * 2]
    length = seconds / len(parts)
    ends = itertools.count(1)
    return tuple(Stage(users, system, (end := next(ends)) * length - length, end * length) for users, system in parts)


@dataclass(frozen=True)
class Sent:
    """One request of the load.

    Attributes:
        stage: in which it was sent.
        user: who sent it.
        request: what was sent.
        reply: None if no reply came.
        milliseconds: from the first byte sent to the last byte of the answer, or to the failure.
        error: why no reply came.
    """

    stage: Stage
    user: User
    request: LlmRequest
    reply: Reply | None
    milliseconds: float
    error: str = ""

    @property
    def answered(self) -> bool:
        """Whether it got a complete answer of a model."""
        return self.reply is not None and Answer(self.user.person, self.request, self.reply).arrived


@dataclass(frozen=True)
class Load:
    """What a load test did.

    Attributes:
        plan: that was carried out.
        sent: each request, in the order of the answers.
        probe: milliseconds of an echo on this machine, asked all the while.
        idle: how many cores of this machine had nothing to do just before the load, and just after it.
        page: Locust's report, in HTML.
    """

    plan: Plan
    sent: tuple[Sent, ...]
    probe: tuple[float, ...]
    idle: tuple[float, float]
    page: str

    def of(self, system: str, users: int) -> list[Sent]:
        """Return the requests to one system while so many users were there."""
        return [one for one in self.sent if one.stage.system == system and one.stage.users == users]
