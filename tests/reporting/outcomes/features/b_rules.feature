Feature: Rules

  @flow-2 @allure.label.story:Members_pay
  Rule: Scenarios under a rule are reported too

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
