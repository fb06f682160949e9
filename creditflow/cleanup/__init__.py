"""What a run made, and its removal, also after a crash. Imports `target` and below."""
