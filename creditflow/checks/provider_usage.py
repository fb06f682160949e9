"""The provider's side of an account: how often it was called, with which key, and the tokens that it reported."""

from __future__ import annotations

from collections.abc import Mapping

from creditflow.actors.llm_requests import Answer
from creditflow.actors.people import Person
from creditflow.checks import diagnosis
from creditflow.checks.account_base import AccountBase
from creditflow.core.expect import Finding, agree, holds, written
from creditflow.target.drivers.http import an_object
from creditflow.target.drivers.provider import fingerprint

_OPENROUTERS = "sk-or-"
"""The beginning of OpenRouter's keys."""
_FIELDS = {"model", "messages", "max_tokens", "stream", "stream_options", "usage"}
"""The fields of the suite's own requests, and `usage`, with which LiteLLM asks OpenRouter for the cost."""


class ProviderUsage(AccountBase):
    """Checks of the provider's calls and tokens."""

    def provider_calls(self, person: Person, own_key: int, platform_key: int) -> None:
        """Require how often the provider was called for a person, with their own key and with the platform's key."""
        calls, prints = self.target.provider.calls(person.name), diagnosis.own_fingerprints(person)
        own = sum(call.key_fingerprint in prints for call in calls)
        platform = sum(call.key_fingerprint == self.target.settings.platform_key_fingerprint for call in calls)
        called, who = "the provider was called", person.alias
        agree(
            [
                Finding(called, own, own_key, f"times with the own key of {who}"),
                Finding(called, platform, platform_key, f"times with the platform's key for {who}"),
                Finding(called, len(calls), own_key + platform_key, f"times for {who}"),
            ],
            self._recorded(person),
        )

    def provider_total(self, person: Person, expected: int) -> None:
        """Require how often the provider was called for a person, with any key."""
        calls = self.target.provider.calls(person.name)
        agree(
            [Finding("the provider was called", len(calls), expected, f"times for {person.alias}")],
            self._recorded(person),
        )

    def provider_asked(self, person: Person, provider: str) -> None:
        """Require one call for a person: of this provider, with the key that they stored for it."""
        calls = self.target.provider.calls(person.name)
        keys = [key for key in person.keys if key.startswith(_OPENROUTERS) == (provider == "openrouter")]
        right = [call.key_fingerprint in set(map(fingerprint, keys)) for call in calls]
        agree(
            [
                Finding(
                    f"the providers that were called for {person.alias} are", [c.provider for c in calls], [provider]
                ),
                Finding(f"{provider} was called with the key that {person.alias} stored for it:", right, [True]),
            ],
            self._recorded(person),
        )

    def nothing_added(self, answers: Mapping[str, Answer]) -> None:
        """Require that each request was answered, and reached the provider once, as a plain one of the platform.

        Args:
            answers: the answers by what was added to their requests.
        """
        findings = []
        for what, answer in answers.items():
            calls = [c for c in self.target.provider.calls(answer.person.name) if c.request == answer.request.mark]
            platform = all(c.key_fingerprint == self.target.settings.platform_key_fingerprint for c in calls)
            beyond = sorted({field for call in calls for field in call.fields} - _FIELDS)
            findings += [
                Finding(f"a request with {what} is answered with", answer.reply.status, 200),
                Finding(f"a request with {what} reached the provider", len(calls), 1, "times"),
                Finding(f"the fields of a request with {what} that reached the provider are", beyond, []),
                Finding(f"a request with {what} reached the provider with the platform's key:", platform, True),
            ]
        agree(findings)

    def exact(self, answer: Answer) -> None:
        """Require the tokens of the feature from a provider that announces its usage.

        A stream that does not report its usage is looked up in the provider's journal.
        """
        if not self.target.provider_is_exact:
            return
        found, request = answer.reported_tokens, answer.request
        if found is None and request.stream and not request.usage:
            calls = self.target.provider.calls(answer.person.name)
            found = next((call.total_tokens for call in calls if call.request == request.mark), None)
        agree([Finding("the provider reported", found, request.tokens, "tokens")], self._recorded(answer.person))

    def usage_in_stream(self, answer: Answer, tokens: int | None) -> None:
        """Require that a stream reports its usage once, in its last event; with None that no event reports any."""
        events = [an_object(event) for event in answer.reply.events[:-1]]
        found = [an_object(event.get("usage")).get("total_tokens") for event in events if event.get("usage")]
        wanted = [] if tokens is None else [tokens]
        agree(
            [Finding("the tokens that the events of the stream report are", found, wanted)],
            self._recorded(answer.person),
        )
        if wanted:
            last = events[-1]
            holds(
                bool(last.get("usage")) and last.get("choices") == [],
                f"the last event of the stream is not a usage chunk without choices: it reads {str(last)[:300]}",
            )

    def parts_of_usage(self, answer: Answer) -> None:
        """Require that the usage lists cached and reasoning tokens, and that the total contains them."""
        usage = an_object(answer.fields.get("usage"))
        cached = an_object(usage.get("prompt_tokens_details")).get("cached_tokens")
        reasoned = an_object(usage.get("completion_tokens_details")).get("reasoning_tokens")
        holds(
            bool(cached) and bool(reasoned),
            f"the usage lists {written(cached)} cached and {written(reasoned)} reasoning tokens, expected some of both",
        )
