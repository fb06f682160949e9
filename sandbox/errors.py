"""The errors of the sandbox."""


class SandboxError(Exception):
    """An expected error. Its message says what went wrong, where, and what to do next, without any secret."""
