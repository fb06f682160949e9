"""The domain of the acceptance suite: people, organisations, credits, requests, and what the systems recorded.

Eight rooms, lowest first: `core`, `reporting` beside `target`, `cleanup`, `actors`, `checks`, `audit`, `run`. Each
imports only what stands below it; `make lint` enforces that.
"""
