"""Runs behave, with a fault of the suite switched on if the environment names one."""

import sys

from behave.__main__ import main

from sandbox.faults import SUITE, switch_on

if __name__ == "__main__":
    switch_on(SUITE)
    sys.exit(main(sys.argv[1:]))
