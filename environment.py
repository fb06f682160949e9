"""Found by behave where it is started in a folder of the project that has no features, such as `tests`."""

from creditflow.reporting import from_anywhere

from_anywhere.require_settings()

from creditflow.core.errors import CannotRunError  # noqa: E402 - see features/environment.py

raise CannotRunError("This folder is the whole project: run `behave`, or name features, as in `behave features/flows`.")
