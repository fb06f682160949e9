"""Makes the environment that the suite runs in: `python3 bootstrap.py [--tests]`.

Every Python can read this file, so that an old one can say that it is too old; `sandbox/install.py` works.
"""

import sys

OLDEST = (3, 11)
NEWEST = (3, 14)


def main():  # type: () -> int
    """Install what is missing; returns the exit status, 2 with one sentence when it can't be done."""
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        sys.stderr.write(
            "Python 3.11 to 3.14 is needed, this is "
            + ".".join(str(part) for part in sys.version_info[:2])
            + ": run `make acceptance PYTHON=python3.13`, or bootstrap.py with one of them.\n"
        )
        return 2
    from sandbox.install import install  # noqa: PLC0415 - an old Python can't read that one

    return install(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
