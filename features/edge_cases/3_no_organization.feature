@allure.label.epic:Edge_cases @edge-cases
Feature: Case 3: A user belongs to no organisation
  A user who belongs to no organisation pays with their own credits. No organisation takes part in it.

  Background:
    Given these prices in credits for 100 tokens
      | model         | credits |
      | GPT-3.5-turbo | 9       |

  @C3.S1 @C3.S2 @C3.S3 @C3.S4 @critical
  Scenario: A request is paid with the user's own credits
    Given an individual on the Professional plan with 1,000 credits
    When they send a GPT-3.5-turbo request that uses 100 tokens
    Then the answer arrives
    And they have 991 credits left
    And no organisation paid for the individual

  @C3.S4 @normal
  Scenario: An organisation that the user does not belong to pays nothing
    Given an organisation with 10,000 credits
    And a member with an allocation of 2,500 credits
    And an individual on the Professional plan with 1,000 credits
    When the individual sends a GPT-3.5-turbo request that uses 100 tokens
    Then the individual has 991 credits left
    And the organisation has 10,000 credits, of which 7,500 are unallocated
    And the member has 2,500 credits of their allocation left

  @C3.S3 @A8 @normal
  Scenario: A request is refused if the user has no credits and no organisation
    Given an individual on the Professional plan with 0 credits
    When they send a GPT-3.5-turbo request that uses 100 tokens
    Then the request is refused with 402 "insufficient credits"
    And they have 0 credits left
