"""The provider's journal, as the suite reads it."""

from __future__ import annotations

from typing import Any

import pytest

from creditflow.core.errors import ServiceUnavailableError
from creditflow.target.drivers.http import Reply
from creditflow.target.drivers.provider import Provider


@pytest.fixture
def provider() -> Provider:
    return Provider("http://127.0.0.1:1", "token", 5)


def _answers(provider: Provider, monkeypatch: pytest.MonkeyPatch, text: str) -> list[Any]:
    """Let the stand-in answer each request with this text, and return the parameters of the requests."""
    asked: list[Any] = []

    def send(_method: str, _path: str, **request: Any) -> Reply:
        asked.append(request["params"])
        return Reply(200, {}, text, 0.0)

    monkeypatch.setattr(provider.http, "send", send)
    return asked


def test_the_calls_of_many_callers_are_asked_for_in_short_addresses(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = _answers(provider, monkeypatch, '{"calls": []}')
    names = [f"caller-{number}" for number in range(450)]
    assert provider.calls(*names) == []
    assert [len(params["caller"]) for params in asked] == [200, 200, 50]
    assert [name for params in asked for name in params["caller"]] == names


def test_without_a_caller_nothing_is_asked(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = _answers(provider, monkeypatch, '{"calls": []}')
    assert provider.calls() == []
    assert asked == []


@pytest.mark.parametrize("text", ["{}", '{"callers": ["somebody"]}', '{"callers": {"somebody": "two"}}', "no JSON"])
def test_a_count_that_can_not_be_read_is_told(provider: Provider, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    _answers(provider, monkeypatch, text)
    with pytest.raises(ServiceUnavailableError, match="a journal that can't be read"):
        provider.callers()
