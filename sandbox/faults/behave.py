"""Run behave, with the fault of the suite that the environment names, if any."""

import sys

from behave.__main__ import main

from sandbox.faults import SUITE, switch_on

if __name__ == "__main__":
    switch_on(SUITE)
    sys.exit(main(sys.argv[1:]))
