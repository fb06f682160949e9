@allure.label.epic:Credit_flow @edge-cases @A8
Feature: Case 4 A member to whom nothing was allocated
  A new member who asks before the admin has allocated anything is told what is missing. It is no server error,
  and nobody else's credits are used in its place.

  Background:
    Given these prices in credits for 100 tokens
      | model         | credits |
      | GPT-3.5-turbo | 9       |

  @C4.S1 @C4.S2 @C4.S3 @C4.S4 @C4.S5 @needs.journal @critical
  Scenario: The request of a member without an allocation is refused and explained
    Given an organisation with 10,000 credits
    And a member without an allocation
    When the member asks GPT-3.5-turbo a question of 100 tokens
    Then the request is refused as 403 "no credit allocation"
    And the message explains the missing allocation
    And the organisation has 10,000 credits, of which 10,000 are unallocated
    And the provider was not called for the member

  @C4.S4 @normal
  Scenario: The member's own credits are not used in its place
    Given an organisation with 10,000 credits
    And a member without an allocation
    And the member holds 700 credits of their own
    When the member asks GPT-3.5-turbo a question of 100 tokens
    Then the request is refused as 403 "no credit allocation"
    And the member has 700 credits left
    And the member has used 0 of 10,000 calls

  @C4.S5 @H3 @normal
  Scenario: Where nothing was purchased, the message says so
    Given an organisation with 0 credits
    And a member without an allocation
    When the member asks GPT-3.5-turbo a question of 100 tokens
    Then the request is refused as 403 "no credit allocation"
    And the message says that nothing was purchased
