Feature: A rule that breaks first

  @raise.before_rule
  Rule: Its first hook breaks

    Scenario: never reached in the rule
      Given all is well
