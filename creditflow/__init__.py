"""The domain of the acceptance suite: people, organisations, credits, requests, and what the systems recorded.

Everything here speaks the plan's language and reaches the target through the drivers in `creditflow.drivers`.
"""
