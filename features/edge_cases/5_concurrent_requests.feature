@allure.label.epic:Edge_cases @edge-cases @A6
Feature: Case 5: Many requests are sent at the same time
  Ten browser tabs, a script that retries, two members at the same time: each credit is spent once,
  no credit is spent twice, and no balance goes below zero.

  Background:
    Given these prices in credits for 100 tokens
      | model       | credits |
      | GPT-4-turbo | 24      |

  Rule: Each credit of an individual is spent once

    @C5.S1 @C5.S2 @C5.S3 @C5.S4 @R1 @needs.journal @critical
    Scenario: Ten requests at the same time that cost 100 credits each use up 1,000 credits
      Given an individual on the Professional plan with 1,000 credits
      When they send 10 GPT-4-turbo requests that each use 417 tokens and cost 100 credits, all at the same time
      Then every answer arrives
      And they have 0 credits left
      And 10 charges of 100 credits are on their account
      And they have used 10 of 10,000 calls
      And no credits are reserved for them
      And the provider was called 10 times for them

    @C5.S4 @A8 @R1 @needs.journal @critical
    Scenario: 1,000 credits pay for ten of twelve requests at the same time
      Given an individual on the Professional plan with 1,000 credits
      When they send 12 GPT-4-turbo requests that each use 417 tokens and cost 100 credits, all at the same time
      Then 10 answers arrive and 2 are refused with 402 "insufficient credits"
      And they have 0 credits left
      And 10 charges of 100 credits are on their account
      And they have used 10 of 10,000 calls
      And the provider was called 10 times for them

    @C5.S4 @needs.journal @critical
    Scenario: Long answers at the same time cost together what the user has, and not one credit more
      Given an individual on the Professional plan with 50 credits
      When they send 2 GPT-4-turbo requests at the same time that are each estimated at 100 tokens and use 250
      Then every answer arrives
      And they have 0 credits left
      And charges of 26 and 24 credits are on their account
      And no credits are reserved for them

  Rule: Each credit of an organisation is spent once

    @R1 @A8 @F2.M1 @needs.journal @critical
    Scenario: An allocation of 1,000 credits pays for ten of twelve requests at the same time
      Given an organisation with 10,000 credits
      And a member with an allocation of 1,000 credits
      When the member sends 12 GPT-4-turbo requests that each use 417 tokens and cost 100 credits, all at the same time
      Then 10 answers arrive and 2 are refused with 402 "allocation exhausted"
      And the member has 0 credits of their allocation left
      And the organisation has 9,000 credits, of which 9,000 are unallocated
      And the provider was called 10 times for the member

    @R1 @A8 @R4 @F2.M1 @critical
    Scenario: Two members who send requests at the same time spend no more than the organisation has
      Given an organisation with 1,000 credits
      And a member with an allocation of 500 credits
      And a second member with an allocation of 500 credits
      When the member and the second member each send 6 GPT-4-turbo requests that each use 417 tokens and cost 100 credits, all at the same time
      Then 10 answers arrive and 2 are refused with 402
      And the organisation has 0 credits, of which 0 are unallocated
      And 5 charges of 100 credits are on the member's account
      And 5 charges of 100 credits are on the second member's account
      And the member has 0 credits of their allocation left
      And the second member has 0 credits of their allocation left

    @R1 @A8 @normal
    Scenario: Ten allocations at the same time give out no more than the organisation has
      Given an organisation with 1,000 credits
      And a member without an allocation
      When the admin allocates 150 credits to the member 10 times at the same time
      Then 6 of them succeed and 4 are refused with 409 "insufficient unallocated credits"
      And the member has 900 credits of their allocation left
      And the organisation has 1,000 credits, of which 100 are unallocated

    @R1 @F2.M1 @critical
    Scenario: Purchases and requests at the same time lose no credit
      Given an organisation with 1,000 credits
      And a member with an allocation of 1,000 credits
      When the admin purchases 100 credits 5 times while the member sends 5 GPT-4-turbo requests that each use 417 tokens and cost 100 credits
      Then every answer arrives
      And the organisation has 1,000 credits, of which 500 are unallocated
      And the member has 500 credits of their allocation left

    @F2.M1 @needs.journal @normal
    Scenario: A member's long answers at the same time cost together what is left of the allocation
      Given an organisation with 10,000 credits
      And a member with an allocation of 50 credits
      When the member sends 2 GPT-4-turbo requests at the same time that are each estimated at 100 tokens and use 250
      Then every answer arrives
      And the member has 0 credits of their allocation left
      And the organisation has 9,950 credits, of which 9,950 are unallocated
      And no credits are reserved for the member

    @R1 @critical
    Scenario: A purchase that is clicked twice is made once
      Given an organisation with 0 credits
      When the admin purchases 500 credits twice at the same time under one idempotency key
      Then the organisation has 500 credits
      And one purchase of 500 credits is on the organisation's account
