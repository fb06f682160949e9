"""The deadlines of a run, as `behave -D` gives them, without a target."""

from behave.runner import Context

from creditflow.deadline import deadlines
from creditflow.settings import load


def before_all(context: Context) -> None:
    deadlines.begin(load(context.config.userdata))
