"""An Ops-Center that charges twice every price: the reference with one override."""

import sys

from sandbox.ops_center import pricing
from sandbox.ops_center.__main__ import main

_right = pricing.charge


def double(model: str, tokens: int) -> int:
    """Return twice the charge of the contract."""
    return 2 * _right(model, tokens)


if __name__ == "__main__":
    pricing.charge = double
    sys.exit(main())
