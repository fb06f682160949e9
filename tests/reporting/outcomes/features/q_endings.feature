@endings
Feature: What would end the process

  Scenario Outline: a step ends by <what>
    Given something to remove
    When a step ends by <what>

    Examples:
      | what                        |
      | sys.exit(0)                 |
      | sys.exit(None)              |
      | sys.exit in words           |
      | GeneratorExit               |
      | KeyboardInterrupt           |
      | CancelledError              |
      | a kind of its own           |
      | os._exit(0)                 |
      | sys.exit(0) in a pool       |
      | os._exit(0) in a pool       |
      | sys.exit(0) in a thread     |
      | an error in a thread        |
      | os._exit(0) in a thread     |
      | an error without a readable message |

  Scenario: an async step ends by sys.exit
    Given something to remove
    When an async step ends by sys.exit

  @exit.before_scenario
  Scenario: before_scenario ended
    Given something to remove

  @exit.after_scenario
  Scenario: after_scenario ended
    Given something to remove

  @exit.before_tag
  Scenario: before_tag ended
    Given something to remove

  @exit.after_tag
  Scenario: after_tag ended
    Given something to remove

  Scenario: before_step ended
    Given something to remove
    When before_step exits

  Scenario: after_step ended
    Given something to remove
    When after_step exits

  @exit.fixture
  Scenario: a fixture ended in its set-up
    Given something to remove

  @exit.fixture_end
  Scenario: a fixture ended in its end
    Given something to remove

  Scenario: a clean-up ended
    Given something to remove
    And a clean-up that exits
    Then the balance is 9, expected 9

  Scenario: a check failed and a clean-up ended
    Given something to remove
    And a clean-up that exits
    Then the balance is 8, expected 9

  Scenario: a removal of the suite's own ended
    Given something to remove
    And a removal of the suite's own that exits

  @exit.before_rule
  Rule: Its first hook ends

    Scenario: never reached in a rule that ended
      Given something to remove

  @exit.after_rule
  Rule: Its last hook ends

    Scenario: passed before its rule ended
      Given something to remove

  Rule: What comes after all of it

    Scenario: comes after all endings
      Given something to remove
      Then the balance is 9, expected 9
