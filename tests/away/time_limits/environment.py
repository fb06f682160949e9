"""The time limits of a run, as `behave -D` gives them, without a target."""

from behave.runner import Context

from creditflow.core.run_limits import time_limits
from creditflow.target.settings import load


def before_all(context: Context) -> None:
    time_limits.begin(load(context.config.userdata))
