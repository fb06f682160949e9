"""Wiring: the run, the command line, the features' lint. Imports every other room."""
