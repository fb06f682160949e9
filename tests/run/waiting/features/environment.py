"""The hooks of the project itself."""

from features.environment import *  # noqa: F403
