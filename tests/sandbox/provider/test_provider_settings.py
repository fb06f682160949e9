"""The settings of the stand-in, and its secrets, which are in no answer and in no log."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.sandbox.provider.conftest import StandIn


def test_secrets_are_nowhere(standin: StandIn, caller: str) -> None:
    key = standin.open_key()
    answers = [standin.ask(caller, key=key), standin.ask(caller, key="sk-or-a-wrong-key")]
    answers += [standin.control("GET", "calls"), standin.control("GET", "keys")]

    everything = standin.log.read_text() + "".join(answer.text for answer in answers)

    for secret in (key, standin.platform_key, standin.openai_key, standin.token, "sk-or-a-wrong-key"):
        assert secret not in everything


@pytest.mark.parametrize("missing", ["PROVIDER_OPENAI_KEY", "PROVIDER_CONTROL_TOKEN"])
def test_a_missing_setting_is_one_sentence_without_the_others(standin: StandIn, missing: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "sandbox.provider", "--port", "1"],
        cwd=Path(__file__).parents[3],
        env=standin.environment() | {missing: ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 2
    assert missing in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert standin.platform_key not in ended.stderr
