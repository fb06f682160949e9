@label.CANARY
Feature: Every outcome, with CANARY
  A description with CANARY.

  Scenario: passed, and CANARY is shown in every way
    When everything is written in every way
      """
      {"key": "CANARY"}
      """
    Given the table
      | key    |
      | CANARY |

  Scenario: failed
    Then a check fails

  Scenario: broken
    When the driver breaks

  Scenario: undefined
    When nobody wrote CANARY

  Scenario: pending
    When the step is not written

  Scenario: nothing checked
    Then nothing is compared

  Scenario: not testable here
    Then the target shows nothing

  Scenario: skipped
    When the rest is skipped
    Then all is well

  @raise.before_scenario
  Scenario: a hook before it
    Then all is well

  @raise.after_scenario
  Scenario: a hook after it
    Then all is well

  @raise.before_tag
  Scenario: a hook of a tag
    Then all is well

  @raise.cleanup
  Scenario: a clean-up
    Then all is well

  Scenario: a hook around a step
    When a hook breaks before this step

  Scenario: errors that nobody catches
    When a thread dies of it
    And an object dies of it
    And a warning is given

  Scenario Outline: without quotes in <CANARY>
    Then all is well

    Examples: of CANARY
      | CANARY |
      | CANARY |
