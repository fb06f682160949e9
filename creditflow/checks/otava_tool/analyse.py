"""Finds the last change point of each series with Apache Otava; it runs in Otava's own environment.

The input is a JSON object on the standard input: `max_pvalue`, and `series` with a list of numbers by name. The output
is a JSON object: the index of the first value after the last change, by name; a series without a change is left out.
"""

from __future__ import annotations

import json
import sys

from otava.analysis import compute_change_points


def main() -> None:
    """Read the series, and print the last change of each."""
    question = json.load(sys.stdin)
    found = {}
    for name, values in question["series"].items():
        changes, _ = compute_change_points(values, max_pvalue=question["max_pvalue"])
        if changes:
            found[name] = int(changes[-1].index)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
