"""The drivers: one module for each system of the target. They send requests and return replies, and judge nothing."""
