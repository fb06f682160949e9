"""What a run reports: console, Allure, JUnit, exit status, waivers. Imports `core`."""
