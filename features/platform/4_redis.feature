@allure.label.epic:Platform
Feature: Platform: Redis counts the calls of the month
  The counter makes the quota check fast. It is a copy of the database: it ends with the month,
  and a lost counter must not give anybody a new quota.

  Background:
    Given these prices in credits for 100 tokens
      | model         | credits |
      | GPT-3.5-turbo | 9       |

  @I3 @R2 @critical
  Scenario: The counter counts every call
    Given an individual on the Professional plan with 10,000 credits
    When they send 3 GPT-3.5-turbo requests that each use 100 tokens
    Then their counter in Redis is at 3
    And they have used 3 of 10,000 calls

  @I3 @R2 @critical
  Scenario: The counter expires after the end of the month
    Given an individual on the Professional plan with 10,000 credits
    When they send a GPT-3.5-turbo request that uses 100 tokens
    Then their counter in Redis expires after the month and at the latest a month later

  @I3 @R2 @critical
  Scenario: A lost counter is restored from the database
    Given an individual on the Professional plan with 10,000 credits
    When they send 3 GPT-3.5-turbo requests that each use 100 tokens
    And their counter is lost
    And they send a GPT-3.5-turbo request that uses 100 tokens
    Then it says that 9,996 of 10,000 calls are left until the first of next month
    And their counter in Redis is at 4
    And they have used 4 of 10,000 calls

  @I3 @normal
  Scenario: Redis remembers a user's plan for a minute at most
    Given an individual on the Professional plan with 10,000 credits
    When they send a GPT-3.5-turbo request that uses 100 tokens
    Then Redis remembers their plan for 60 seconds at most

  @I3 @normal
  Scenario: A refused request does not change the counter
    Given an individual on the Professional plan with 17 credits
    When they send a GPT-3.5-turbo request that uses 100 tokens
    And they send a GPT-3.5-turbo request that uses 100 tokens
    Then the request is refused with 402 "insufficient credits"
    And their counter in Redis is at 1
