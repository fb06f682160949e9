"""The drivers: how each system of the target is spoken to, one module a system; none knows what is right or wrong."""
