"""Faults of providers: answers without usage or text, wrong figures, wrong refusals."""

from sandbox.faults import fault, rewrite
from sandbox.provider import dialects
from sandbox.provider.chat import Chat
from sandbox.provider.dialects import Dialect, OpenRouter


@fault("F1.S4", "the provider reported 180 tokens, expected 100")
def usage_counts_the_answer_twice() -> None:
    """Report more tokens than were used, so that the user pays for them."""
    rewrite(dialects._tokens, '"total_tokens": usage.total_tokens', '"total_tokens": usage.total_tokens + 80')


@fault("F1.S4", "the provider reported 90 tokens, expected 100")
def usage_leaves_the_question_out() -> None:
    """Report only the answer's tokens, so that the platform pays for the question."""
    rewrite(dialects._tokens, '"total_tokens": usage.total_tokens', '"total_tokens": usage.completion_tokens')


@fault("F1.S4", "the provider reported 0 tokens, expected 100")
def usage_is_missing() -> None:
    """Report no usage, so that the charge is a guess."""
    rewrite(Dialect.completion, '"usage": self.usage(answer.usage, answer.model),', "")


@fault("F1.S4", "the individual got no answer: status 200")
def answer_has_no_words() -> None:
    """Send an empty answer, which users pay for."""
    rewrite(Dialect.completion, '"content": answer.text', '"content": ""')


@fault("F1.S4", "the individual got no answer: status 502")
def trouble_comes_with_status_200() -> None:
    """Report an error with the status 200, so that the user gets an error as an answer."""
    rewrite(
        Chat.complete,
        "AsciiJSON(self._dialect.completion(answer), ",
        "AsciiJSON({'error': {'code': 502, 'message': 'Provider returned error'}}, ",
    )


@fault("EP9", "the individual got no answer: status 200 data:")
def stream_has_no_words() -> None:
    """Send an empty stream, which users pay for."""
    rewrite(Dialect.events, "texts = answer.pieces()", "texts = [''] * len(answer.pieces())")


@fault("EP9", "the provider reported", "tokens, expected 100")
def stream_has_no_usage() -> None:
    """Report no usage at the end of a stream, so that the charge is a guess."""
    rewrite(Dialect.ending, "if with_usage:", "if not with_usage:")


@fault("F3.S5", "the provider was called 2 times with the own key of the BYOK user, expected 1")
def requests_reach_the_provider_twice() -> None:
    """Send an answered request again, so that the owner of the key pays twice."""
    rewrite(
        Chat.complete,
        "call = self._arrived(key, body)",
        "self._journal.enter(self._arrived(key, body)); call = self._arrived(key, body)",
    )


@fault("F3.S9", "the BYOK user got the status 502, expected 401")
def bad_keys_are_refused_as_forbidden() -> None:
    """Refuse a wrong key with 403, so that its owner reads of a provider failure and never corrects it."""
    rewrite(OpenRouter.refusal, "status, message = self._refusals[refused.outcome]", "status, message = 403, 'No'")


@fault("F3.S9", "the BYOK user got the status 200, expected 401")
def bad_keys_are_accepted() -> None:
    """Answer requests with any key, so that nobody knows who pays."""
    rewrite(
        Chat._admit,
        "if account is None:",
        "if account is None and not (account := next(iter(self._accounts._platform.values()))):",
    )


@fault("F3.S5", "the providers that were called for the BYOK user are openai, expected openrouter")
def requests_arrive_at_another_provider() -> None:
    """Let the requests for OpenRouter arrive at OpenAI, so that its account pays and not the one that was chosen."""
    rewrite(Chat._arrived, "provider=self._dialect.provider", 'provider="openai"')
