"""A step that waits for the test."""

from pathlib import Path

from behave import given

from creditflow.core import polling
from creditflow.core.expect import holds

LONGEST_S = 60
"""The most seconds until the test has let the service work again."""


@given("the service works again")
def works_again(_context: object) -> None:
    polling.soon(lambda: holds(Path("works").exists(), "the test has not let the service work again"), LONGEST_S)
