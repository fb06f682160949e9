"""The LLM request (EP9), in the contract's order, and the list of models (EP10)."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from sandbox.ops_center import byok, idempotency, litellm, payers, pricing, problems, quota, reservations
from sandbox.ops_center.byok import OwnKey
from sandbox.ops_center.credit_accounts import Payment
from sandbox.ops_center.litellm import NotSentError
from sandbox.ops_center.problems import ProblemError
from sandbox.ops_center.quota import Standing
from sandbox.ops_center.reservations import Call
from sandbox.ops_center.services import Services, Used
from sandbox.ops_center.tokens import Caller, Person

JSON = "application/json"
STREAM = "text/event-stream"
MAX_TOKENS = 128_000

router = APIRouter(prefix="/llm")
log = logging.getLogger("ops_center")


class Message(BaseModel):
    """One message of a conversation. Only these fields are passed on."""

    role: str
    content: str | list[dict[str, JsonValue]] | None = None
    name: JsonValue = None
    refusal: JsonValue = None
    audio: JsonValue = None
    tool_calls: JsonValue = None
    tool_call_id: JsonValue = None
    function_call: JsonValue = None

    def text(self) -> str:
        """Return its text."""
        if isinstance(self.content, list):
            return " ".join(str(part["text"]) for part in self.content if "text" in part)
        return self.content or ""


class StreamOptions(BaseModel):
    """The options of a stream. Only these fields are passed on."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class ChatRequest(BaseModel):
    """An OpenAI chat completion request. Only these fields are passed on: no address, no key."""

    model_config = ConfigDict(strict=True)

    model: str
    messages: list[Message] = Field(min_length=1)
    max_tokens: int | None = Field(None, ge=1, le=MAX_TOKENS)
    max_completion_tokens: int | None = Field(None, ge=1, le=MAX_TOKENS)
    n: int | None = Field(None, ge=1, le=16)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: JsonValue = None
    top_p: JsonValue = None
    stop: JsonValue = None
    presence_penalty: JsonValue = None
    frequency_penalty: JsonValue = None
    logit_bias: JsonValue = None
    logprobs: JsonValue = None
    top_logprobs: JsonValue = None
    seed: JsonValue = None
    response_format: JsonValue = None
    tools: JsonValue = None
    tool_choice: JsonValue = None
    parallel_tool_calls: JsonValue = None
    functions: JsonValue = None
    function_call: JsonValue = None
    reasoning_effort: JsonValue = None
    verbosity: JsonValue = None
    user: JsonValue = None

    def prompt(self) -> str:
        """Return the text of all messages."""
        return " ".join(message.text() for message in self.messages)

    def answer_tokens(self) -> int | None:
        """Return the most tokens that all answers may have together; None without a limit."""
        limits = [limit for limit in (self.max_tokens, self.max_completion_tokens) if limit is not None]
        return max(limits) * (self.n or 1) if limits else None

    def wants_usage(self) -> bool:
        """Return whether the client asked for the usage chunk of a stream."""
        return bool(self.stream_options and self.stream_options.include_usage)


def read(body: bytes) -> ChatRequest:
    """Parse a body. Raises 422."""
    try:
        question = ChatRequest.model_validate_json(body)
    except ValidationError as error:
        raise problems.invalid(error.errors(include_input=False, include_url=False)) from error
    if question.model not in pricing.RATES:
        raise ProblemError(
            422, "unknown_model", f"There is no such model here. Choose one of {', '.join(pricing.RATES)}."
        )
    return question


@dataclass(frozen=True)
class Order:
    """A request that is ready to be sent, with the user's own key and the claim of its Idempotency-Key, if any."""

    call: Call
    question: ChatRequest
    own_key: OwnKey | None
    claim: idempotency.Claim | None

    def body(self) -> dict[str, Any]:
        """Return the body for LiteLLM: with the platform's key, or with the user's."""
        body = self.question.model_dump(exclude_unset=True)
        if self.own_key:
            body |= {"model": self.own_key.litellm_model, "api_key": self.own_key.api_key}
        if self.question.stream:
            body["stream_options"] = {**(body.get("stream_options") or {}), "include_usage": True}
        return body

    def shown(self, event: dict[str, Any]) -> dict[str, Any]:
        """Return an event of a stream as the client sees it; an empty usage announces the chunk that has it."""
        without = {name: value for name, value in event.items() if name != "usage"}
        return without | {"model": self.question.model} | ({"usage": None} if self.question.wants_usage() else {})

    def costs(self, payment: Payment) -> dict[str, Any]:
        """Return the fields of the answer about its price."""
        return {
            "model": self.question.model,
            "cost_credits": payment.credits,
            "byok_used": self.own_key is not None,
            "credits_remaining": payment.remaining,
        }


@router.get("/models")
async def models(_caller: Caller) -> dict[str, Any]:
    """List the models and their prices (EP10)."""
    data = [{"id": model, "object": "model", "credits_per_100_tokens": rate} for model, rate in pricing.RATES.items()]
    return {"object": "list", "data": data}


@router.post("/chat/completions")
async def complete(request: Request, caller: Caller, services: Used) -> Response:
    """Answer a question with a model, and charge for it once (EP9)."""
    standing = await quota.standing(services, caller.user_id)
    try:
        question = read(await request.body())
        claim = await idempotency.claim(services.database, caller.user_id, request, payers.named_payer(request))
        if isinstance(claim, idempotency.Kept):
            return _replayed(claim, standing)
        try:
            return await answer(services, caller, request, question=question, claim=claim, standing=standing)
        except Exception as error:
            await idempotency.close(services.database, claim, error)
            raise
    except ProblemError as problem:
        problem.headers = {**quota.headers(standing), **problem.headers}
        raise


def _replayed(kept: idempotency.Kept, standing: Standing) -> Response:
    response = kept.response()
    response.headers.update(quota.headers(standing))
    if kept.status == 429:
        response.headers["Retry-After"] = str(standing.period.seconds_left())
    return response


async def answer(
    services: Services,
    caller: Person,
    request: Request,
    *,
    question: ChatRequest,
    claim: idempotency.Claim | None,
    standing: Standing,
) -> Response:
    """Do the contract's steps 4 to 9. Raises the `ProblemError` for the user; then nothing is charged or reserved."""
    if quota.used_up(standing):
        raise quota.exceeded(services, standing)
    own_key = account = None
    if payers.uses_own_key(request):
        own_key = await byok.key_for(services, caller.user_id, question.model)
    else:
        account = await payers.account_of(services, caller, payers.named_organization(request))
    call = Call(request.state.request_id, caller.user_id, question.model, account)
    estimate = pricing.estimate(question.model, question.prompt(), question.answer_tokens())
    standing = await reservations.reserve(services, call, estimate, standing)
    order = Order(call, question, own_key, claim)
    try:
        if question.stream:
            return await _stream(services, order, standing)
        return await _whole(services, order, standing)
    except NotSentError as error:
        await reservations.withdraw(services, call, standing)
        raise litellm.provider_error() from error
    except ProblemError as problem:
        problem.headers |= quota.headers(standing)
        await reservations.fail(services, call, problem.status)
        raise
    except BaseException:
        await reservations.fail(services, call, 500)
        raise


async def _whole(services: Services, order: Order, standing: Standing) -> Response:
    completion = await services.litellm.complete(order.body())
    tokens = litellm.total_tokens(completion)
    if tokens is None:
        raise litellm.provider_error()
    text = await settle(services, order, tokens, JSON, lambda payment: json.dumps(completion | order.costs(payment)))
    return Response(text, media_type=JSON, headers=quota.headers(standing))


async def settle(
    services: Services, order: Order, tokens: int, media_type: str, render: Callable[[Payment], str]
) -> str:
    """Charge for the tokens that the provider reported and keep the answer, in one transaction; return its text."""
    async with services.database.transaction() as db:
        payment = await reservations.settle(db, order.call, tokens, pricing.charge(order.question.model, tokens))
        text = render(payment)
        await idempotency.keep(db, order.claim, 200, media_type, text)
    services.outbox.wake()
    return text


async def _stream(services: Services, order: Order, standing: Standing) -> Response:
    """Stream the answer. It is read to its end, and charged, even if the client has gone."""
    parts: asyncio.Queue[str | None] = asyncio.Queue()
    begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    services.run(_pump(services, order, parts, begun))
    await begun
    return StreamingResponse(_each(parts), media_type=STREAM, headers=quota.headers(standing))


async def _each(parts: asyncio.Queue[str | None]) -> AsyncIterator[str]:
    while (part := await parts.get()) is not None:
        yield part


async def _pump(
    services: Services, order: Order, parts: asyncio.Queue[str | None], begun: asyncio.Future[None]
) -> None:
    """Pass the provider's events to the client; an error before the first one is set in `begun`."""
    try:
        async with services.litellm.stream(order.body()) as events:
            begun.set_result(None)
            await _relay(services, order, events, parts)
    except Exception as error:
        if not begun.done():
            begun.set_exception(error)
            return
        problem = error if isinstance(error, ProblemError) else problems.internal()
        log.warning("stream %s ended with %s", order.call.request_id, problem.code)
        await reservations.fail(services, order.call, problem.status)
        await idempotency.close(services.database, order.claim, problem)
        parts.put_nowait(_event({"error": {"message": problem.detail, "type": problem.code, "code": problem.code}}))
    finally:
        parts.put_nowait(None)


async def _relay(
    services: Services, order: Order, events: AsyncIterator[dict[str, Any]], parts: asyncio.Queue[str | None]
) -> None:
    """Pass on every event; the last one waits, because it states the charge.

    A stream that breaks off after its usage counts as answered.
    """
    tokens: int | None = None
    usage: JsonValue = None
    last: dict[str, Any] = {}
    passed_on: list[str] = []

    def pass_on() -> None:
        passed_on.append(_event(last))
        parts.put_nowait(passed_on[-1])

    try:
        async for event in events:
            if (reported := litellm.total_tokens(event)) is not None:
                tokens, usage = reported, event["usage"]
                if is_only_usage(event):
                    continue
            if last:
                pass_on()
            last = order.shown(event)
    except ProblemError:
        if tokens is None:
            raise
    if tokens is None:
        raise litellm.provider_error()
    if order.question.wants_usage():
        if last:
            pass_on()
        last |= {"choices": [], "usage": usage}

    def whole(payment: Payment) -> str:
        return "".join([*passed_on, _event(last | order.costs(payment)), "data: [DONE]\n\n"])

    text = await settle(services, order, tokens, STREAM, whole)
    parts.put_nowait(text[sum(map(len, passed_on)) :])


def is_only_usage(event: dict[str, Any]) -> bool:
    """Return whether an event with usage has nothing else: no text, and no reason why the answer ends."""
    choices = event.get("choices") or []
    return not any(choice.get("finish_reason") or any((choice.get("delta") or {}).values()) for choice in choices)


def _event(data: dict[str, Any]) -> str:
    return f"data: {json.dumps(data)}\n\n"
