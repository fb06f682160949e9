"""A chat completion from request to answer: the key, the question and the troubles."""

import json
import time
from datetime import UTC, datetime

from fastapi import Request, Response

from sandbox.provider.accounts import Accounts, Money, bearer, fingerprint
from sandbox.provider.answers import Answer
from sandbox.provider.dialects import END, AsciiJSON, Dialect
from sandbox.provider.journal import Call, Journal
from sandbox.provider.outcomes import Outcome, RefusedError
from sandbox.provider.question import Asker, Question
from sandbox.provider.streams import EventStream, stays
from sandbox.provider.troubles import Kind, Trouble, Troubles

_REFUSING = {
    Kind.BAD_KEY: Outcome.REFUSED_KEY,
    Kind.OUT_OF_MONEY: Outcome.OUT_OF_MONEY,
    Kind.RATE_LIMITED: Outcome.RATE_LIMITED,
    Kind.SERVER_ERROR: Outcome.SERVER_ERROR,
}


class Chat:
    """The chat completions of one provider."""

    def __init__(self, dialect: Dialect, accounts: Accounts, journal: Journal, troubles: Troubles) -> None:
        self._dialect = dialect
        self._accounts = accounts
        self._journal = journal
        self._troubles = troubles

    async def complete(self, request: Request) -> Response:
        """Answer, refuse or disturb one request; it is in the journal before the last byte is sent."""
        key = bearer(request)
        try:
            body = json.loads(await request.body())
        except (ValueError, RecursionError):
            body = None
        call = self._arrived(key, body)
        trouble = self._troubles.of(call.caller)
        try:
            question = self._admit(key, body, trouble)
        except RefusedError as refused:
            return self._refuse(call, refused)
        answer = Answer(
            id=call.id,
            created=int(time.time()),
            model=question.model,
            usage=question.usage,
            finish_reason="length" if question.limited else "stop",
            count=question.answers,
        )
        kind = trouble.kind if trouble else None
        if trouble and (kind is Kind.SLOW or (kind is Kind.STALLED_STREAM and not question.stream)):
            call.outcome = Outcome.SLOW
            self._journal.enter(call)
            if not await stays(request.receive, trouble.seconds):
                return Response(status_code=499)
        if question.stream:
            return self._stream(call, answer, trouble, with_usage=question.include_usage)
        if kind is Kind.BROKEN_STREAM:
            return self._refuse(call, RefusedError(Outcome.BROKEN_STREAM))
        call.status = 200
        self._report(call, answer)
        self._journal.enter(call)
        return AsciiJSON(self._dialect.completion(answer), headers=self._dialect.headers(answer))

    def _arrived(self, key: str | None, body: object) -> Call:
        """Return the journal's entry for a new call."""
        asker = Asker.of(body)
        model = body.get("model") if isinstance(body, dict) else None
        return Call(
            id=self._dialect.new_id(),
            at=datetime.now(UTC).isoformat(),
            provider=self._dialect.provider,
            model=model if isinstance(model, str) else "",
            caller=asker.caller,
            request=asker.request,
            key_fingerprint=fingerprint(key) if key else "",
            fields=tuple(body) if isinstance(body, dict) else (),
            stream=isinstance(body, dict) and body.get("stream") is True,
        )

    def _admit(self, key: str | None, body: object, trouble: Trouble | None) -> Question:
        """Check in the order of the real providers: the key, the body, the account; then apply the trouble.

        Raises:
            RefusedError: the call is refused.
        """
        if not key:
            raise RefusedError(Outcome.REFUSED_KEY, missing_key=True)
        account = self._accounts.of(fingerprint(key), self._dialect.provider)
        if account is None:
            raise RefusedError(Outcome.REFUSED_KEY)
        question = Question.of(body, trouble.words if trouble else None)
        if self._dialect.priced_as(question.model) is None:
            raise self._dialect.unknown_model(question.model)
        if account.state is Money.EMPTY:
            raise RefusedError(Outcome.OUT_OF_MONEY)
        if trouble and trouble.kind in _REFUSING:
            raise RefusedError(_REFUSING[trouble.kind])
        return question

    def _report(self, call: Call, answer: Answer) -> None:
        call.report(answer.usage, answer.usage.cost(self._dialect.priced_as(answer.model) or answer.model))

    def _refuse(self, call: Call, refused: RefusedError) -> Response:
        refusal = self._dialect.refusal(refused)
        call.status, call.outcome = refusal.status, refused.outcome
        self._journal.enter(call)
        return AsciiJSON(refusal.body, refusal.status, dict(refusal.headers))

    def _stream(self, call: Call, answer: Answer, trouble: Trouble | None, *, with_usage: bool) -> Response:
        """Stream an answer, whole or disturbed; its usage is in the journal as soon as the ending is sent."""
        events = self._dialect.events(answer)
        ending = self._dialect.ending(answer, with_usage=with_usage)
        kind = trouble.kind if trouble else None
        if kind is Kind.BROKEN_END:
            ending = ending.removesuffix(END) + self._dialect.break_off(answer)
        pause = trouble.seconds if trouble and kind is Kind.STALLED_STREAM else 0
        if kind is Kind.BROKEN_STREAM:
            events, ending = events[: len(events) // 2 + 1], self._dialect.break_off(answer)
            call.outcome = Outcome.BROKEN_STREAM
        call.status = 200
        if pause:
            call.outcome = Outcome.SLOW
            self._journal.enter(call)

        def settle(reached: bool) -> None:
            if not reached:
                call.outcome = Outcome.CLIENT_LEFT
            elif call.outcome is not Outcome.BROKEN_STREAM:
                self._report(call, answer)
            self._journal.enter(call)

        return EventStream(events, ending, settle, pause, self._dialect.headers(answer))
