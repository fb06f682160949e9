"""Makes the environment that the suite runs in: `python3 bootstrap.py [--tests]`.

Every Python can read this file, so that an old one can say that it is too old; `sandbox/install.py` works.
"""

import sys

OLDEST = (3, 11)
NEWEST = (3, 14)


def refusal():  # type: () -> str
    """Return the sentence for a Python that is not supported; empty for one that is."""
    if OLDEST <= sys.version_info[:2] <= NEWEST:
        return ""
    here = ".".join(str(part) for part in sys.version_info[:2])
    return "Python 3.11 to 3.14 is needed, this is " + here + ": name one, as in `make acceptance PYTHON=python3.13`."


def main():  # type: () -> int
    """Install what is missing; returns the exit status, 2 with one sentence when it can't be done."""
    if refusal():
        sys.stderr.write(refusal() + "\n")
        return 2
    from sandbox.install import install  # noqa: PLC0415 - an old Python can't read that one

    return install(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
