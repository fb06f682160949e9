"""The state that survives the process, without keys and tokens."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.sandbox.provider.conftest import StandIn


def test_a_kill_loses_nothing_and_secrets_are_nowhere(own_standin: StandIn, caller: str) -> None:
    one = own_standin
    one.start()
    key, closed = one.open_key(), one.open_key()
    one.control("DELETE", f"keys/{one.mark(closed)}").raise_for_status()
    one.trouble(caller, "rate_limited")
    answers = [one.ask(f"{caller}-paid", key=key), one.ask(f"{caller}-paid", key="sk-or-a-wrong-key")]
    one.ask(f"{caller}-gone")
    one.control("DELETE", "calls", caller=f"{caller}-gone").raise_for_status()
    answers.append(one.control("GET", "calls"))
    before = one.calls()

    one.kill()
    file = one.state / "provider.jsonl"
    with file.open("a") as cut_short:
        cut_short.write('{"event": "call", "call": {"id": "gen-half')
    one.start()

    assert one.calls() == before
    assert [call["caller"] for call in before] == [f"{caller}-paid"] * 2
    assert one.ask(f"{caller}-again", key=key).status_code == 200
    assert one.ask(f"{caller}-again", key=closed).status_code == 401
    assert one.ask(caller).status_code == 429
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    everything = file.read_text() + one.log.read_text() + "".join(each.text for each in answers)
    for secret in (key, closed, one.platform_key, one.openai_key, one.token, "sk-or-a-wrong-key"):
        assert secret not in everything


@pytest.mark.parametrize("missing", ["PROVIDER_OPENAI_KEY", "PROVIDER_CONTROL_TOKEN"])
def test_a_missing_setting_is_one_sentence_without_the_others(own_standin: StandIn, missing: str) -> None:
    environment = own_standin.environment() | {missing: ""}

    ended = _start(environment)

    assert ended.returncode == 2
    assert missing in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert own_standin.platform_key not in ended.stderr


def test_a_state_that_is_not_the_stand_ins_is_refused_by_name(own_standin: StandIn) -> None:
    own_standin.state.mkdir()
    (own_standin.state / "provider.jsonl").write_text("not JSON\n")

    ended = _start(own_standin.environment())

    assert ended.returncode == 2
    assert "Line 1" in ended.stderr
    assert str(own_standin.state) in ended.stderr


def _start(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sandbox.provider", "--port", "1"],
        cwd=Path(__file__).parents[3],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
