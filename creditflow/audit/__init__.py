"""The independent ledger and the reconciliation of every system with it. Imports `checks` and below."""
