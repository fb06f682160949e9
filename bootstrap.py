"""Makes the virtual environment of the suite: `python3 bootstrap.py [--tests]`.

Every Python can read this file, so that an old one can print what is needed. `sandbox/install.py` does the work.
"""

import sys

OLDEST = (3, 11)
NEWEST = (3, 14)


def refusal():  # type: () -> str
    """Return a message if this Python is not supported, else an empty string."""
    if OLDEST <= sys.version_info[:2] <= NEWEST:
        return ""
    here = ".".join(str(part) for part in sys.version_info[:2])
    return "Python 3.11 to 3.14 is needed, this is " + here + ": name one, as in `make acceptance PYTHON=python3.13`."


def main():  # type: () -> int
    """Install what is missing; return the exit status, 2 if this Python is not supported."""
    if refusal():
        sys.stderr.write(refusal() + "\n")
        return 2
    from sandbox.install import install  # noqa: PLC0415 - an old Python can't read that one

    return install(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
