"""LLM requests in the domain's words: a question of so many tokens, and the answer with what it cost.

The first two words of every question name the person and the request, so that a provider that keeps a journal can tell
whose call it was. With such a provider usage is exact: one token a word of the question and exactly `max_tokens` of
answer, so that "a question of 100 tokens" means 100 tokens.
"""

from __future__ import annotations

import itertools
import threading
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from creditflow.core.expect import holds
from creditflow.core.prices import MODELS
from creditflow.target.ceiling import reported
from creditflow.target.drivers.http import Reply, an_object, objects
from creditflow.target.drivers.ops_center import OpsCenter

if TYPE_CHECKING:
    from creditflow.actors.people import Organization, Person

T = TypeVar("T")
R = TypeVar("R")

_FILLER = "Please answer in as many words as you are allowed to".split()
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Question:
    """What somebody asks a model.

    Attributes:
        model: the plan's name of the model.
        tokens: question and answer together, as the feature announces it.
        own_key: ask with the person's own provider key (BYOK).
        stream: have the answer streamed.
        key: the idempotency key, if one is sent.
        organization: the organisation that is named as the one that pays, if one is named.
        text: instead of a text made to measure, these words follow the two that name person and request,
            and the length of the answer is left to the provider.
    """

    model: str
    tokens: int
    own_key: bool = False
    stream: bool = False
    key: str | None = None
    organization: Organization | None = None
    text: str | None = None
    mark: str = field(default_factory=lambda: f"q{next(_numbers)}")

    def body(self, caller: str) -> dict[str, Any]:
        """The request's body in OpenAI's shape."""
        if self.text is None:
            words = max(2, min(10, self.tokens // 2))
            content = " ".join([caller, self.mark, *_FILLER[: words - 2]])
            limit = {"max_tokens": self.tokens - words}
        else:
            content, limit = f"{caller} {self.mark} {self.text}", {}
        body = {"model": MODELS[self.model], "messages": [{"role": "user", "content": content}], **limit}
        return body | ({"stream": True} if self.stream else {})

    def headers(self) -> dict[str, str]:
        """The request's own headers."""
        headers = {"X-Use-BYOK": "true"} if self.own_key else {}
        if self.key:
            headers["Idempotency-Key"] = self.key
        if self.organization:
            headers["X-Organization-Id"] = self.organization.id
        return headers


@dataclass(frozen=True)
class Answer:
    """What came back for a question, a refusal included."""

    person: Person
    question: Question
    reply: Reply

    @property
    def request_id(self) -> str:
        """By which every system names the request."""
        return self.reply.headers.get("X-Request-Id", "")

    @property
    def fields(self) -> dict[str, Any]:
        """The answer's fields: the body, or of a stream the last data event before its end."""
        events = [event for event in self.reply.events if isinstance(event, dict)]
        return events[-1] if events else self.reply.body

    @property
    def text(self) -> str:
        """What the model said."""
        if self.reply.events:
            choices = [c for e in self.reply.events for c in objects(an_object(e).get("choices"))]
            return "".join(str(an_object(choice.get("delta")).get("content") or "") for choice in choices)
        choices = objects(self.reply.body.get("choices"))
        return str(an_object(choices[0].get("message")).get("content") or "") if choices else ""

    @property
    def arrived(self) -> bool:
        """Whether it is a whole answer of a model and not a refusal."""
        ended = not self.question.stream or bool(self.reply.events and self.reply.events[-1] == "[DONE]")
        return self.reply.status == 200 and bool(self.text) and ended

    @property
    def reported_tokens(self) -> int | None:
        """The tokens that the provider reported; None when it reported none."""
        return reported(self.reply)

    @property
    def code(self) -> str:
        """The refusal's code, empty for an answer."""
        return str(self.reply.body.get("code", ""))

    @property
    def detail(self) -> str:
        """The sentence that the person reads when refused."""
        return str(self.reply.body.get("detail", ""))


def ask(ops_center: OpsCenter, person: Person, question: Question) -> Answer:
    """Ask one question as one person; the answer is kept with the person."""
    return _kept(person, question, ops_center.chat(person.token, question.body(person.name), question.headers()))


def new_key() -> str:
    """An idempotency key that nobody has used."""
    return str(uuid.uuid4())


def ask_and_leave(ops_center: OpsCenter, person: Person, question: Question) -> Answer:
    """Ask for a stream and go away after its first words."""
    reply = ops_center.chat_leaving_early(person.token, question.body(person.name), question.headers())
    return _kept(person, question, reply)


def ask_at_once(ops_center: OpsCenter, asked: Sequence[tuple[Person, Question]]) -> list[Answer]:
    """Ask several questions at the same moment: every sender waits at a barrier until all are ready."""
    for person, _ in asked:
        _ = person.token
    return at_once(lambda item: ask(ops_center, *item), asked)


def at_once(act: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Carry out an act for every item at the same moment; all wait at a barrier until the last is ready."""
    barrier = threading.Barrier(len(items), timeout=30)

    def go(item: T) -> R:
        barrier.wait()
        return act(item)

    with ThreadPoolExecutor(len(items)) as pool:
        return list(pool.map(go, items))


def ask_in_turn(
    ops_center: OpsCenter, person: Person, make: Callable[[], Question], times: int, lanes: int = 8
) -> list[Answer]:
    """Ask many questions one after the other, a few lanes side by side; every one is really sent."""
    with ThreadPoolExecutor(lanes) as pool:
        return list(pool.map(lambda _: ask(ops_center, person, make()), range(times)))


def require_openai_shape(answer: Answer) -> None:
    """Require that an answer is a chat completion as OpenAI's clients read it, or a stream of its chunks."""
    events = [e for e in answer.reply.events if isinstance(e, dict)] or [answer.reply.body]
    kind = "chat.completion.chunk" if answer.question.stream else "chat.completion"
    holds(all(e.get("object") == kind for e in events), f"not every part of the answer is a {kind}")
    ids = [e.get("id") for e in events]
    one = isinstance(ids[0], str) and all(id_ == ids[0] for id_ in ids)
    holds(one, f"the answer's parts carry {len(set(map(str, ids)))} ids where one is due, first '{str(ids[0])[:40]}'")
    model = MODELS[answer.question.model]
    holds(events[0].get("model") == model, f"the answer's model is {events[0].get('model')}, expected {model}")
    reasons = [c["finish_reason"] for e in events for c in objects(e.get("choices")) if c.get("finish_reason")]
    holds(reasons[-1:] in (["stop"], ["length"]), f"the answer ends with the reason {reasons[-1:] or 'missing'}")


def _kept(person: Person, question: Question, reply: Reply) -> Answer:
    answer = Answer(person, question, reply)
    person.answers.append(answer)
    return answer
