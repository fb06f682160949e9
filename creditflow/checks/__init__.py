"""What a step asserts, and the diagnosis of a failure. Imports `actors` and below."""
