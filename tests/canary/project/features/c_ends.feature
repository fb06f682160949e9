@ends
Feature: The run ends early

  Scenario: interrupted while CANARY was shown
    When everything is written in every way
      """
      CANARY
      """
    And someone presses Ctrl-C

  Scenario: after the end
    Then all is well
