Feature: Rules

  @flow-2 @allure.label.story:Members_pay
  Rule: Whatever is under a rule is told too

    @K1
    Scenario: passed under a rule
      Given a table
        | who    | credits |
        | member | 2,500   |
      And a text
        """
        a question
        """

    Scenario: failed under a rule
      Given a table
        | who    | credits |
        | member | 2,500   |
      Then the balance is 8, expected 9

    Scenario Outline: outline under a rule
      Then the balance is <found>, expected 9

      Examples:
        | found |
        | 9     |
        | 7     |

  @raise.before_rule
  Rule: Its first hook breaks

    Scenario: never reached in the rule
      Given all is well

  @raise.after_rule
  Rule: Its last hook breaks

    Scenario: passed before the rule's last hook broke
      Given all is well

  @raise.before_tag
  Rule: The first hook of its tag breaks

    Scenario: never reached after the rule's tag
      Given all is well

  @raise.after_tag
  Rule: The last hook of its tag breaks

    Scenario: passed before the rule's tag broke
      Given all is well

  @cleanup.rule
  Rule: Its clean-up breaks

    Scenario: passed before the rule's clean-up broke
      Given all is well
