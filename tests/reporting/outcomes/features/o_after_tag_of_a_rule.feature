Feature: A rule whose tag breaks last

  @raise.after_tag
  Rule: The last hook of its tag breaks

    Scenario: passed before the rule's tag broke
      Given all is well
