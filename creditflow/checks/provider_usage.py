"""The provider's side of an account: how often it was called, with which key, and the tokens that it reported."""

from __future__ import annotations

from creditflow.actors.llm_requests import Answer
from creditflow.actors.people import Person
from creditflow.checks import diagnosis
from creditflow.checks.account_base import AccountBase
from creditflow.core.expect import Finding, agree


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

    def exact(self, answer: Answer) -> None:
        """Require the tokens of the feature from a provider that announces its usage."""
        if self.target.provider_is_exact:
            agree(
                [Finding("the provider reported", answer.reported_tokens, answer.request.tokens, "tokens")],
                self._recorded(answer.person),
            )
