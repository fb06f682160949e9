"""The load test: many users at the same time, driven by Locust in a process of its own."""
