"""LLM requests that are under way while something else happens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from creditflow.actors import llm_requests
from creditflow.actors.llm_requests import Answer, LlmRequest
from creditflow.actors.people import Person
from creditflow.core import polling
from creditflow.core.errors import ServiceUnavailableError
from creditflow.core.expect import holds
from creditflow.target.drivers.http import Reply
from creditflow.target.target import Target

LONGEST_WAY_S = 10.0
"""The deadline of requests to arrive at the provider, in seconds."""


def send_during(
    target: Target, requests: Sequence[tuple[Person, LlmRequest]], happen: Callable[[], object]
) -> list[Answer]:
    """Send LLM requests at the same moment, let something happen while all are at the provider, and return the answers.

    The provider has to take its time for these people. An answer that never came has the status 0.

    Raises:
        AssertionError: a request did not arrive at the provider.
    """
    for person, _ in requests:
        _ = person.token
    with ThreadPoolExecutor(len(requests)) as pool:
        sent = [pool.submit(_send, target, *request) for request in requests]
        polling.soon(lambda: _require_all_there(target, requests), LONGEST_WAY_S, 0.02)
        happen()
        return [answer.result() for answer in sent]


def _require_all_there(target: Target, requests: Sequence[tuple[Person, LlmRequest]]) -> None:
    calls = target.provider.calls(*{person.name for person, _ in requests})
    there = {(call.caller, call.request) for call in calls}
    missing = [person.alias for person, request in requests if (person.name, request.mark) not in there]
    holds(not missing, f"the requests of {', '.join(missing)} did not arrive at the provider")


def _send(target: Target, person: Person, request: LlmRequest) -> Answer:
    try:
        return llm_requests.send(target.ops_center, person, request)
    except ServiceUnavailableError as away:
        return Answer(person, request, Reply(0, {}, str(away), 0.0))
