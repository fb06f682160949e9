Feature: A rule that breaks last

  @raise.after_rule
  Rule: Its last hook breaks

    Scenario: passed before the rule's last hook broke
      Given all is well
