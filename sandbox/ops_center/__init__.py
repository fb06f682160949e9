"""The reference Ops-Center: the contract as a small FastAPI application, one module a concept."""
