"""What a random history found: the sentences that were run, and what was wrong then, as a scenario to paste."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from creditflow.run.exploration.sentences import Sentence

THEN = "every answer and every charge is as agreed"
"""The outcome of a history, as a step of its own."""


@dataclass(frozen=True)
class Seed:
    """What a history is made of: the seed of the run, and its number in the run."""

    run: int
    number: int

    def __str__(self) -> str:
        return f"{self.run}/{self.number}"


@dataclass(frozen=True)
class Finding:
    """What was wrong with a history.

    Attributes:
        sentences: the steps, up to the one after which it was wrong.
        judge: who noticed it, such as "the ledger".
        kind: what kind of thing was wrong; equal for the same defect in a smaller history.
        message: what was wrong, in full.
        seed: what the history is made of.
        red: how often the history was wrong.
        runs: how often it was run for that.
    """

    sentences: tuple[Sentence, ...]
    judge: str
    kind: str
    message: str
    seed: Seed = Seed(0, 0)
    red: int = 1
    runs: int = 1

    def same(self, other: Finding | None) -> bool:
        """Return whether another history was wrong in the same way."""
        return other is not None and (self.judge, self.kind) == (other.judge, other.kind)

    def repeated(self, red: int, runs: int) -> Finding:
        """Return the finding with how often it was repeated, and how often it was wrong again."""
        return replace(self, red=red, runs=runs)

    @property
    def how_often(self) -> str:
        """Such as "3 of 20 times"; "every time" if it is always wrong."""
        if self.red == self.runs:
            return f"every time ({self.red} of {self.runs})"
        return f"{self.red} of {self.runs} times"

    def title(self) -> str:
        """Return the rule that is broken, as the title of a scenario."""
        what = "answer" if self.judge in ("the oracle", "the answers") else "charge"
        return f"Every {what} is as agreed in history {self.seed.number} of the seed {self.seed.run}"


def steps(sentences: Iterable[Sentence]) -> list[str]:
    """Return the steps as lines of a feature, with And for the same keyword as before."""
    lines, before = [], ""
    for sentence in sentences:
        keyword = "And" if sentence.kind == before else sentence.kind.title()
        lines.append(f"{keyword} {sentence.text}")
        before = sentence.kind
    return lines


def scenario(finding: Finding, tags: Sequence[str], indent: str = "    ") -> str:
    """Return the finding as a scenario that can be pasted below a rule of a feature."""
    tagged = " ".join(f"@{tag}" for tag in tags)
    written = [f"  {step}" for step in [*steps(finding.sentences), f"Then {THEN}"]]
    return "\n".join(f"{indent}{line}" for line in [tagged, f"Scenario: {finding.title()}", *written])


def told(finding: Finding, tags: Sequence[str], command: str) -> str:
    """Return everything about a finding: what is wrong, the scenario, how often, and how to repeat it."""
    return "\n".join(
        [
            finding.message,
            "",
            scenario(finding, tags),
            "",
            f"This history is wrong {finding.how_often}. Paste it below a rule of a feature; it stays red until the "
            "defect is mended.",
            f"Repeat it as it was found with `{command}`",
        ]
    )
