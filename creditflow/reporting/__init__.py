"""The reports of a run: console, Allure, JUnit, exit status, waivers. Imports `core`."""
