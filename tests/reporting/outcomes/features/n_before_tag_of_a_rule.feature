Feature: A rule whose tag breaks first

  @raise.before_tag
  Rule: The first hook of its tag breaks

    Scenario: never reached after the rule's tag
      Given all is well
