"""Errors, names, prices, redaction, time limits and polling, for every room. Imports no other room."""
