Feature: Hooks and clean-up of scenarios

  @raise.before_scenario
  Scenario: before_scenario broke
    Given all is well

  @raise.after_scenario
  Scenario: after_scenario broke
    Given all is well

  @raise.before_tag
  Scenario: before_tag broke
    Given all is well

  @raise.after_tag
  Scenario: after_tag broke
    Given all is well

  Scenario: before_step broke
    Given a hook before it breaks

  Scenario: after_step broke
    Given a hook after it breaks

  Scenario: check and after_step broke
    Then the check fails and a hook after it breaks

  @cleanup.scenario
  Scenario: clean-up broke
    Given all is well

  @fixture.half
  Scenario: fixture's end broke
    Given all is well

  @cleanup.scenario
  Scenario: check and clean-up broke
    Then the balance is 8, expected 9

  @audit.agrees
  Scenario: audit agrees
    Given all is well

  @audit.differs
  Scenario: audit differs
    Given all is well

  @audit.differs
  Scenario: check and audit differ
    Then the balance is 8, expected 9

  @audit.differs-untitled
  Scenario: audit without a section differs
    Given all is well

  @audit.blind
  Scenario: audit not possible here
    Given all is well

  @audit.breaks
  Scenario: audit broke
    Given all is well

  @blind.before_scenario
  Scenario: not testable from the start
    Given all is well

  @cleanup.scenario
  Scenario: not testable and clean-up broke
    Then the journal shows who paid
