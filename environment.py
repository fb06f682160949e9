"""The hooks that behave finds when it is started in a folder without features, such as `tests`."""

from creditflow.reporting import from_anywhere

from_anywhere.require_settings()

from creditflow.core.errors import CannotRunError  # noqa: E402 - see features/environment.py

raise CannotRunError("This folder is the whole project: run `behave`, or name features, as in `behave features/flows`.")
