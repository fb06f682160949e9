"""Faults of what an individual's request costs, and of when it is charged."""

from sandbox.faults import fault, rewrite
from sandbox.ops_center import pricing


@fault("F1.E1", "credits in the API, expected 9,995")
def charge_rounds_down() -> None:
    """Half a credit is given away: whoever asks for tokens that cost 8.5 credits pays 8."""
    rewrite(pricing.charge, " * 2 + 100) // 200", ") // 100")
