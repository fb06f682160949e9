@allure.label.epic:Edge_cases @edge-cases
Feature: Case 1: An organisation does not have enough credits
  A request that the organisation can't pay is refused before it costs anything.
  The refusal says where the organisation can buy more credits.

  Background:
    Given these prices in credits for 100 tokens
      | model | credits |
      | GPT-4 | 48      |

  @C1.S1 @C1.S2 @C1.S3 @C1.S4 @C1.E1 @A8 @critical
  Scenario: A request that costs 150 credits is refused if the organisation has 100
    Given an organisation with 100 credits
    And a member with an allocation of 100 credits
    When the member sends a GPT-4 request that uses 313 tokens and costs 150 credits
    Then the request is refused with 402 "insufficient organization credits"
    And the message shows where the organisation can buy more
    And the link leads to a page
    And the message asks to contact the organisation's admin
    And the organisation has 100 credits, of which 0 are unallocated
    And the member has 100 credits of their allocation left
    And no charge is on the member's account
    And no credits are reserved for the member
    And the member has used 0 of 10,000 calls

  @C1.S3 @A8 @needs.journal @critical
  Scenario: A refused request is not sent to the provider
    Given an organisation with 100 credits
    And a member with an allocation of 100 credits
    When the member sends a GPT-4 request that uses 313 tokens and costs 150 credits
    Then the request is refused with 402 "insufficient organization credits"
    And the provider was not called for the member

  @C1.E1 @normal
  Scenario: A smaller request is still answered after a refusal
    Given an organisation with 100 credits
    And a member with an allocation of 100 credits
    When the member sends a GPT-4 request that uses 313 tokens and costs 150 credits
    And the member sends a GPT-4 request that uses 100 tokens
    Then the answer arrives
    And the organisation has 52 credits
    And the member has 52 credits of their allocation left

  @normal
  Scenario: A refused request is answered after a purchase and an allocation
    Given an organisation with 100 credits
    And a member with an allocation of 100 credits
    When the admin purchases 50 credits
    And the admin allocates 50 credits to the member
    And the member sends a GPT-4 request that uses 313 tokens and costs 150 credits
    Then the answer arrives
    And the organisation has 0 credits
