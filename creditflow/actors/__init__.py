"""People, organisations and the requests they send. Imports `cleanup` and below."""

from creditflow.core.prices import MODELS, PriceList
from creditflow.target.drivers.http import Reply
from creditflow.target.target import Target

__all__ = ["MODELS", "PriceList", "Reply", "Target"]
