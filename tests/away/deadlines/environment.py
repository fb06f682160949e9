"""The deadlines of a run, as `behave -D` gives them, without a target."""

from behave.runner import Context

from creditflow.core.run_limits import deadlines
from creditflow.target.settings import load


def before_all(context: Context) -> None:
    deadlines.begin(load(context.config.userdata))
