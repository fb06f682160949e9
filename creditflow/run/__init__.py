"""The wiring: a run, the command line, the lint of the features. Imports every other room.

Importing this package imports nothing but `require_settings`, which has to run before the rest is imported.
"""

from creditflow.reporting.from_anywhere import require_settings

__all__ = ["require_settings"]
