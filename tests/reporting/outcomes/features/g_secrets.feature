@secrets
Feature: Secrets

  Scenario: a secret everywhere
    When it says canary-7Hx2/qP+9
    Given a table
      | key              |
      | canary-7Hx2/qP+9 |
    And a text
      """
      {"key": "canary-7Hx2/qP+9"}
      """
    Then the check with the secret fails
