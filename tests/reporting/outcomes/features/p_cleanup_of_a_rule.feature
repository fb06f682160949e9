Feature: A rule that is not cleaned up

  @cleanup.rule
  Rule: Its clean-up breaks

    Scenario: passed before the rule's clean-up broke
      Given all is well
