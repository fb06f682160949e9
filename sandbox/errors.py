"""What the sandbox says when it can't go on."""


class SandboxError(Exception):
    """A sentence for the reader: what went wrong, where, and what to do next. It carries no secret."""
