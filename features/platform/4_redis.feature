@allure.label.epic:Platform
Feature: Redis counts the calls of the month
  The counter makes the quota fast. It is a copy: it ends with the month,
  and losing it must give nobody a fresh quota.

  Background:
    Given these prices in credits for 100 tokens
      | model         | credits |
      | GPT-3.5-turbo | 9       |

  @I3 @R2 @critical
  Scenario: The counter follows the calls
    Given an individual on the Professional plan with 10,000 credits
    When they ask GPT-3.5-turbo 3 questions of 100 tokens
    Then their counter in Redis is at 3
    And they have used 3 of 10,000 calls

  @I3 @R2 @critical
  Scenario: The counter ends with the month
    Given an individual on the Professional plan with 10,000 credits
    When they ask GPT-3.5-turbo a question of 100 tokens
    Then their counter in Redis expires after the month and at the latest a month later

  @I3 @R2 @critical
  Scenario: A lost counter is rebuilt from the books
    Given an individual on the Professional plan with 10,000 credits
    When they ask GPT-3.5-turbo 3 questions of 100 tokens
    And their counter is lost
    And they ask GPT-3.5-turbo a question of 100 tokens
    Then it says that 9,996 of 10,000 calls are left until the first of next month
    And their counter in Redis is at 4
    And they have used 4 of 10,000 calls

  @I3 @normal
  Scenario: A plan is remembered for a minute at most
    Given an individual on the Professional plan with 10,000 credits
    When they ask GPT-3.5-turbo a question of 100 tokens
    Then Redis remembers their plan for 60 seconds at most

  @I3 @normal
  Scenario: A refused request does not move the counter
    Given an individual on the Professional plan with 17 credits
    When they ask GPT-3.5-turbo a question of 100 tokens
    And they ask GPT-3.5-turbo a question of 100 tokens
    Then the request is refused as 402 "insufficient credits"
    And their counter in Redis is at 1
