"""LLM requests with a given number of tokens, and their answers.

The first two words of each request name the person and the request, so that the provider's journal shows who sent it.
With a provider stand-in the usage is exact: one token for each word of the request, and `max_tokens` for the answer. So
"a request that uses 100 tokens" uses exactly 100 tokens.
"""

from __future__ import annotations

import itertools
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from creditflow.actors.request_shapes import ADDITIONS, SHAPES
from creditflow.core import polling, tokens
from creditflow.core.expect import holds
from creditflow.core.prices import MODELS
from creditflow.target.ceiling import reported
from creditflow.target.drivers.http import Reply, an_object, objects
from creditflow.target.drivers.ops_center import OpsCenter

if TYPE_CHECKING:
    from creditflow.actors.cast import Cast
    from creditflow.actors.people import Organization, Person
    from creditflow.target.target import Target

T = TypeVar("T")
R = TypeVar("R")

_FILLER = "Please answer in as many words as you are allowed to".split()
_numbers = itertools.count(1)


@dataclass(frozen=True)
class LlmRequest:
    """One LLM request.

    Attributes:
        model: the plan's name of the model.
        tokens: the tokens of request and answer together.
        own_key: use the person's own provider key (BYOK).
        stream: ask for a stream.
        key: the idempotency key, if one is sent.
        organization: the organisation that shall pay, if the request names one.
        text: the words after the first two; without a text they are filled up to fit `tokens`. With a text the
            request does not limit the answer.
        shape: the name of an unusual shape in `SHAPES`; empty for one message and one limit.
        usage: whether a stream asks for its usage (True), switches it off (False), or says nothing (None).
        more: more fields of the body.
        own_id: a request id that the client sends.
        mark: the second word.
    """

    model: str
    tokens: int
    own_key: bool = False
    stream: bool = False
    key: str | None = None
    organization: Organization | None = None
    text: str | None = None
    shape: str = ""
    usage: bool | None = True
    more: Mapping[str, Any] = field(default_factory=dict)
    own_id: str | None = None
    mark: str = field(default_factory=lambda: f"q{next(_numbers)}")

    def body(self, caller: str) -> dict[str, Any]:
        """Return the body in OpenAI's shape; the caller is the first word."""
        if self.shape:
            asked = SHAPES[self.shape](f"{caller} {self.mark}", self.tokens)
        elif self.text is None:
            words = max(2, min(10, self.tokens // 2))
            content = " ".join([caller, self.mark, *_FILLER[: words - 2]])
            asked = {"messages": [{"role": "user", "content": content}], "max_tokens": self.tokens - words}
        else:
            asked = {"messages": [{"role": "user", "content": f"{caller} {self.mark} {self.text}"}]}
        return {"model": MODELS[self.model], **asked, **self._streaming(), **self.more}

    def _streaming(self) -> dict[str, Any]:
        if not self.stream:
            return {}
        options = {} if self.usage is None else {"stream_options": {"include_usage": self.usage}}
        return {"stream": True, **options}

    def headers(self) -> dict[str, str]:
        """Return the headers that this request adds."""
        headers = {"X-Use-BYOK": "true"} if self.own_key else {}
        if self.key:
            headers["Idempotency-Key"] = self.key
        if self.organization:
            headers["X-Organization-Id"] = self.organization.id
        if self.own_id:
            headers["X-Request-Id"] = self.own_id
        return headers


@dataclass(frozen=True)
class Answer:
    """The answer to an LLM request, also if it is a refusal."""

    person: Person
    request: LlmRequest
    reply: Reply

    @property
    def request_id(self) -> str:
        """The id of the request in all systems."""
        return self.reply.headers.get("X-Request-Id", "")

    @property
    def fields(self) -> dict[str, Any]:
        """The answer's fields: the body, or the last JSON event of a stream."""
        return self.reply.fields

    @property
    def text(self) -> str:
        """The text of the model."""
        if self.reply.events:
            choices = [c for e in self.reply.events for c in objects(an_object(e).get("choices"))]
            return "".join(str(an_object(choice.get("delta")).get("content") or "") for choice in choices)
        choices = objects(self.reply.body.get("choices"))
        return str(an_object(choices[0].get("message")).get("content") or "") if choices else ""

    @property
    def arrived(self) -> bool:
        """Whether it is a complete answer of a model, and not a refusal."""
        ended = not self.request.stream or bool(self.reply.events and self.reply.events[-1] == "[DONE]")
        return self.reply.status == 200 and bool(self.text) and ended

    @property
    def reported_tokens(self) -> int | None:
        """The tokens that the provider reported, or None."""
        return reported(self.reply)

    @property
    def code(self) -> str:
        """The code of a refusal; empty for an answer."""
        return str(self.reply.body.get("code", ""))

    @property
    def detail(self) -> str:
        """The message of a refusal for the person."""
        return str(self.reply.body.get("detail", ""))


def lengthen_answer(cast: Cast, person: Person, request: LlmRequest, seconds: float = 0) -> None:
    """Make the provider answer a request without a limit so that it uses `request.tokens`, after some seconds."""
    cast.lengthen(person, request.tokens - tokens.prompt(request.body(person.name)), seconds)


def send(ops_center: OpsCenter, person: Person, request: LlmRequest) -> Answer:
    """Send an LLM request as a person, and add the answer to the person's answers."""
    return _added(person, request, ops_center.chat(person.token, request.body(person.name), request.headers()))


def new_key() -> str:
    """Return a new idempotency key."""
    return str(uuid.uuid4())


def send_and_leave(ops_center: OpsCenter, person: Person, request: LlmRequest) -> Answer:
    """Send an LLM request for a stream, and close the connection after its first event."""
    reply = ops_center.chat_leaving_early(person.token, request.body(person.name), request.headers())
    return _added(person, request, reply)


def send_and_leave_unanswered(target: Target, person: Person, request: LlmRequest) -> None:
    """Send an LLM request, and close the connection without an answer as soon as the provider has the request."""

    def require_arrived() -> None:
        calls = target.provider.calls(person.name)
        holds(any(call.request == request.mark for call in calls), "the request did not reach the provider")

    target.ops_center.chat_leaving_unanswered(
        person.token,
        request.body(person.name),
        request.headers(),
        lambda: polling.soon(require_arrived, target.settings.poll_timeout_s),
    )


def send_simultaneously(ops_center: OpsCenter, requests: Sequence[tuple[Person, LlmRequest]]) -> list[Answer]:
    """Send several LLM requests at the same moment, and return the answers in the same order."""
    for person, _ in requests:
        _ = person.token
    return simultaneously(lambda item: send(ops_center, *item), requests)


def send_shapes(
    ops_center: OpsCenter,
    person: Person,
    shapes: Iterable[str],
    tokens: int,
    before_each: Callable[[], object] = lambda: None,
) -> list[Answer]:
    """Send a GPT-3.5-turbo request of each of these shapes, one after the other, with a preparation before each."""
    answers = []
    for shape in shapes:
        before_each()
        answers.append(send(ops_center, person, LlmRequest("GPT-3.5-turbo", tokens, shape=shape)))
    return answers


def send_additions(
    ops_center: OpsCenter, person: Person, additions: Iterable[str], model: str, tokens: int
) -> dict[str, Answer]:
    """Send a request with each of these fields that are not OpenAI's; return the answers by the name of the field."""
    return {what: send(ops_center, person, LlmRequest(model, tokens, more=ADDITIONS[what])) for what in additions}


def send_and_purchase(
    ops_center: OpsCenter, requests: Sequence[tuple[Person, LlmRequest]], organization: Organization, amounts: list[int]
) -> tuple[list[Answer], list[Reply]]:
    """Send LLM requests and purchase credits for an organisation at the same moment; return both kinds of answers."""
    answers: list[Answer] = []
    replies: list[Reply] = []

    def ask(person: Person, request: LlmRequest) -> Callable[[], None]:
        return lambda: answers.append(send(ops_center, person, request))

    def purchase(amount: int) -> Callable[[], None]:
        return lambda: replies.append(ops_center.purchase(organization.admin.token, organization.id, amount))

    for person in (organization.admin, *(person for person, _ in requests)):
        _ = person.token
    simultaneously(lambda act: act(), [*(ask(*item) for item in requests), *map(purchase, amounts)])
    return answers, replies


def simultaneously(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Call a function for all items at the same moment: the threads wait at a barrier until all are ready."""
    barrier = threading.Barrier(len(items), timeout=30)

    def run(item: T) -> R:
        barrier.wait()
        return function(item)

    with ThreadPoolExecutor(len(items)) as pool:
        return list(pool.map(run, items))


def send_in_turn(
    ops_center: OpsCenter, person: Person, make: Callable[[], LlmRequest], times: int, lanes: int = 8
) -> list[Answer]:
    """Send many LLM requests as one person, in a few lanes side by side; each lane sends one after the other."""
    with ThreadPoolExecutor(lanes) as pool:
        return list(pool.map(lambda _: send(ops_center, person, make()), range(times)))


def require_openai_shape(answer: Answer) -> None:
    """Require that an answer is a chat completion in OpenAI's shape, or a stream of its chunks."""
    events = [e for e in answer.reply.events if isinstance(e, dict)] or [answer.reply.body]
    kind = "chat.completion.chunk" if answer.request.stream else "chat.completion"
    holds(all(e.get("object") == kind for e in events), f"not every part of the answer is a {kind}")
    ids = [e.get("id") for e in events]
    one = isinstance(ids[0], str) and all(id_ == ids[0] for id_ in ids)
    holds(one, f"the answer's parts have {len(set(map(str, ids)))} ids, expected one, first '{str(ids[0])[:40]}'")
    model = MODELS[answer.request.model]
    holds(events[0].get("model") == model, f"the answer's model is {events[0].get('model')}, expected {model}")
    reasons = [c["finish_reason"] for e in events for c in objects(e.get("choices")) if c.get("finish_reason")]
    holds(reasons[-1:] in (["stop"], ["length"]), f"the answer ends with the reason {reasons[-1:] or 'missing'}")


def _added(person: Person, request: LlmRequest, reply: Reply) -> Answer:
    answer = Answer(person, request, reply)
    person.answers.append(answer)
    return answer
