"""The deployment under test: settings, write guard, health, one driver a system. Imports `core`."""
