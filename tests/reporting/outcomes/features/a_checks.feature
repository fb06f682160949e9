@allure.label.epic:Credit_flow @flow-1
Feature: Checks
  One scenario an outcome.

  Background:
    Given all is well

  Scenario: passed
    Then the balance is 9, expected 9

  Scenario: failed
    Then the balance is 8, expected 9
    And all is well

  Scenario: bare check
    Then a bare check fails

  @exclusive
  Scenario: error
    When the driver breaks

  Scenario: undefined
    When a step that nobody knows

  Scenario: undefined after a failure
    Then the balance is 8, expected 9
    When a step that nobody knows

  Scenario: pending
    When nobody wrote this step

  @wip
  Scenario: pending and tolerated by behave
    When nobody wrote this step

  Scenario: not testable here
    Then the journal shows who paid

  @evidence
  Scenario: with evidence
    When the ledger is attached
    Then the balance is 9, expected 9

  @skip.it
  Scenario: skipped
    Then the balance is 9, expected 9

  Scenario: skipped half way
    When the rest is skipped
    Then the balance is 8, expected 9

  @not-chosen
  Scenario: left out by the command line
    Then the balance is 8, expected 9

  @F1.S5
  Scenario Outline: outline
    Then the balance is <found>, expected <expected>

    Examples: models
      | model | found | expected |
      | GPT-4 | 48    | 48       |
      | GPT-3 | 8     | 9        |

  @critical @F1.S4
  Scenario: more details
    When the report gets more details
