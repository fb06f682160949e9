"""What a step asserts, and the diagnosis of a failure. Imports `actors` and below."""

from creditflow.core.expect import Finding, about, agree, holds, verdict, written

__all__ = ["Finding", "about", "agree", "holds", "verdict", "written"]
