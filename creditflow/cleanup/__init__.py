"""The resources that a run creates, and their removal, also after a crash. Imports `target` and below."""
