@allure.label.epic:Edge_cases @edge-cases
Feature: Case 4: A member has no allocation
  A new member sends a request before the admin has allocated credits to them. The refusal says what is missing.
  It is no server error, and nobody else's credits are used instead.

  @C4.S1 @C4.S2 @C4.S3 @C4.S4 @C4.S5 @A8 @needs.journal @critical
  Scenario: The request of a member without an allocation is refused with an explanation
    Given an organisation with 10,000 credits
    And a member without an allocation
    When the member sends a GPT-3.5-turbo request that uses 100 tokens
    Then the request is refused with 403 "no credit allocation"
    And the message explains the missing allocation
    And the organisation has 10,000 credits, of which 10,000 are unallocated
    And the provider was not called for the member

  @C4.S4 @A8 @normal
  Scenario: A member's own credits are not used instead of an allocation
    Given an organisation with 10,000 credits
    And a member without an allocation
    And the member has 700 credits of their own
    When the member sends a GPT-3.5-turbo request that uses 100 tokens
    Then the request is refused with 403 "no credit allocation"
    And the member has 700 credits left
    And the member has used 0 of 10,000 calls

  @A8 @H3 @normal
  Scenario: The refusal says that the organisation has purchased nothing
    Given an organisation with 0 credits
    And a member without an allocation
    When the member sends a GPT-3.5-turbo request that uses 100 tokens
    Then the request is refused with 403 "no credit allocation"
    And the message says that nothing was purchased
