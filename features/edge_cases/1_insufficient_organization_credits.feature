@allure.label.epic:Credit_flow @edge-cases @A8
Feature: Case 1 An organisation without enough credits
  A request that the organisation can't pay is refused before it costs anything,
  and whoever reads the refusal knows how to get going again.

  Background:
    Given these prices in credits for 100 tokens
      | model         | credits |
      | GPT-3.5-turbo | 9       |
      | GPT-4         | 48      |

  @C1.S1 @C1.S2 @C1.S3 @C1.S4 @C1.E1 @critical
  Scenario: A request for 150 credits is refused to an organisation with 100
    Given an organisation with 100 credits
    And a member with an allocation of 100 credits
    When the member asks GPT-4 a question of 313 tokens, which costs 150 credits
    Then the request is refused as 402 "insufficient organization credits"
    And the message shows where the organisation can buy more
    And the organisation has 100 credits, of which 0 are unallocated
    And the member has 100 credits of their allocation left
    And no charge is on the member's account
    And no credits are held for the member

  @C1.E1 @needs.journal @critical
  Scenario: A refused request is neither counted nor sent
    Given an organisation with 100 credits
    And a member with an allocation of 100 credits
    When the member asks GPT-4 a question of 313 tokens, which costs 150 credits
    Then the request is refused as 402 "insufficient organization credits"
    And the member has used 0 of 10,000 calls
    And the provider was not called for the member

  @C1.S3 @normal
  Scenario: What the organisation can still pay is answered after a refusal
    Given an organisation with 100 credits
    And a member with an allocation of 100 credits
    When the member asks GPT-4 a question of 313 tokens, which costs 150 credits
    And the member asks GPT-4 a question of 100 tokens
    Then the answer arrives
    And the organisation has 52 credits
    And the member has 52 credits of their allocation left

  @normal
  Scenario: A purchase and an allocation put it right
    Given an organisation with 100 credits
    And a member with an allocation of 100 credits
    When the admin purchases 50 credits
    And the admin allocates 50 credits to the member
    And the member asks GPT-4 a question of 313 tokens, which costs 150 credits
    Then the answer arrives
    And the organisation has 0 credits
