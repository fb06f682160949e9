Feature: Claims

  Scenario: claimed and not checked
    Given all is well
    Then it is claimed that the balance is right

  Scenario: claimed in an And
    Then the balance is 9, expected 9
    And all is well

  Scenario: claimed in a But
    Then the balance is 9, expected 9
    But all is well
    And the balance is 9, expected 9

  Scenario: nothing to compare
    Then each of no charges is right

  @cleanup.scenario
  Scenario: claimed and clean-up broke
    Then it is claimed that the balance is right

  Rule: Claims under a rule

    Background:
      Given all is well

    Scenario Outline: claimed in an outline
      Then it is claimed that the balance is right

      Examples:
        | model |
        | GPT-4 |

  Scenario: checked a moment later
    Then soon the balance is 9

  Scenario: checked that nothing comes
    Then no second charge comes

  Scenario: checked in a thread
    Then side by side the balance is 9

  Scenario: skipped by the last step
    Then the balance is 9, expected 9
    And the rest is skipped too
