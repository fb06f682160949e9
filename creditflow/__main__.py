"""`python -m creditflow`: the command line of `creditflow.run.command_line`."""

from creditflow.run.command_line import app

if __name__ == "__main__":
    app()
