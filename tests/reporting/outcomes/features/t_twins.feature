@twins
Feature: Twins

  Scenario: twin
    Then the balance is 8, expected 9

  Scenario: twin
    When the driver breaks

  @raise.before_scenario
  Scenario: twin
    Given all is well

  @raise.after_scenario
  Scenario: twin
    Given all is well

  @cleanup.scenario
  Scenario: twin
    Given all is well

  Scenario: twin
    When a step that nobody knows

  Scenario: twin
    When nobody wrote this step

  Scenario: twin
    Then it is claimed that the balance is right

  Scenario: twin
    Then the journal shows who paid

  @skip.it
  Scenario: twin
    Given all is well

  Scenario: twin
    Given all is well

  Scenario Outline: twin in a row
    Then the first time <what> is wrong

    Examples: one
      | what        |
      | the balance |
      | the balance |

    Examples: another
      | what        |
      | the balance |

  @cleanup.rule
  Rule: Twins under a rule

    Scenario: twin
      Then the first time the quota is wrong

  @cleanup.rule
  Rule: Twins under a rule

    Scenario: twin
      Then the first time the quota is wrong
