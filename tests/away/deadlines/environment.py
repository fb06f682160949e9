"""The deadlines of a run, as `behave -D` gives them, without a target."""

from behave.runner import Context

from creditflow.deadline import deadlines
from creditflow.settings import Settings


def before_all(context: Context) -> None:
    given = {name.lower(): float(value) for name, value in context.config.userdata.items()}
    deadlines.begin(Settings().model_copy(update=given))
