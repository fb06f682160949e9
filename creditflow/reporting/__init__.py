"""What a run tells: to the terminal, to Allure, to JUnit and by its exit status, and all four the same."""
