"""The wiring: a run, the command line, the lint of the features. Imports every other room."""
