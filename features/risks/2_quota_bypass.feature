@allure.label.epic:Risks
Feature: Risk 2: Nobody gets more calls than the month's quota
  A user who gets past the quota costs the platform money at the provider. Neither many requests at the same time
  nor a lost counter may give them more calls. Edge case 2 and the flows show the quota in ordinary use.

  Background:
    Given these prices in credits for 100 tokens
      | model         | credits |
      | GPT-3.5-turbo | 9       |

  @F1.M3 @A5 @A6 @A8 @R2 @needs.journal @critical
  Scenario: Four of ten requests at the same time are answered when four calls are left
    Given a trial user on the Trial plan with 1,000 credits
    And they have already made 696 calls this month
    When they send 10 GPT-3.5-turbo requests that each use 100 tokens, all at the same time
    Then 4 answers arrive and 6 are refused with 429 "quota exceeded"
    And they have used 700 of 700 calls
    And they have 964 credits left
    And the provider was called 4 times for them

  @A5 @A8 @R2 @needs.journal @critical
  Scenario: Losing the counter in Redis does not give the user a new quota
    Given a trial user on the Trial plan with 1,000 credits
    And they have already made 699 calls this month
    When they send a GPT-3.5-turbo request that uses 100 tokens
    And their counter is lost
    And they send a GPT-3.5-turbo request that uses 100 tokens
    Then the request is refused with 429 "quota exceeded"
    And they have used 700 of 700 calls
    And the provider was called 1 time for them
