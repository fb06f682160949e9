"""The reference Ops-Center: the contract as a small FastAPI application, with one module for each concept."""
