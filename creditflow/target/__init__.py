"""The deployment under test: settings, write guard, health, one driver for each system. Imports `core`."""
