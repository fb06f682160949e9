@allure.label.epic:Credit_flow @edge-cases @A6 @A8
Feature: Case 5 Many requests at the same moment
  Ten browser tabs, a retrying script, two colleagues at once: every credit is spent once,
  none twice, and nothing goes below zero.

  Background:
    Given these prices in credits for 100 tokens
      | model       | credits |
      | GPT-4-turbo | 24      |

  Rule: An individual's credits are spent once each

    @C5.S1 @C5.S2 @C5.S3 @C5.S4 @R1 @needs.journal @critical
    Scenario: Ten simultaneous requests of 100 credits use 1,000 credits up
      Given an individual on the Professional plan with 1,000 credits
      When they ask GPT-4-turbo 10 questions of 417 tokens at once, each of which costs 100 credits
      Then every answer arrives
      And they have 0 credits left
      And 10 charges of 100 credits are on their account
      And they have used 10 of 10,000 calls
      And no credits are held for them
      And the provider was called 10 times for them

    @C5.S4 @R1 @needs.journal @critical
    Scenario: Of twelve simultaneous requests on 1,000 credits ten are answered
      Given an individual on the Professional plan with 1,000 credits
      When they ask GPT-4-turbo 12 questions of 417 tokens at once, each of which costs 100 credits
      Then 10 answers arrive and 2 are refused as 402 "insufficient credits"
      And they have 0 credits left
      And 10 charges of 100 credits are on their account
      And they have used 10 of 10,000 calls
      And the provider was called 10 times for them

  Rule: An organisation's credits are spent once each

    @R1 @F2.M1 @needs.journal @critical
    Scenario: Twelve simultaneous requests on one allocation of 1,000 credits: ten are answered
      Given an organisation with 10,000 credits
      And a member with an allocation of 1,000 credits
      When the member asks GPT-4-turbo 12 questions of 417 tokens at once, each of which costs 100 credits
      Then 10 answers arrive and 2 are refused as 402 "allocation exhausted"
      And the member has 0 credits of their allocation left
      And the organisation has 9,000 credits, of which 9,000 are unallocated
      And the provider was called 10 times for the member

    @R1 @R4 @F2.M1 @critical
    Scenario: Two members at once use the organisation's 1,000 credits up and no more
      Given an organisation with 1,000 credits
      And a member with an allocation of 500 credits
      And a second member with an allocation of 500 credits
      When the member and the second member each ask GPT-4-turbo 6 questions of 417 tokens at once, each of which costs 100 credits
      Then 10 answers arrive and 2 are refused as 402
      And the organisation has 0 credits, of which 0 are unallocated
      And 5 charges of 100 credits are on the member's account
      And 5 charges of 100 credits are on the second member's account
      And the member has 0 credits of their allocation left
      And the second member has 0 credits of their allocation left

    @R1 @normal
    Scenario: Ten simultaneous allocations never hand out more than there is
      Given an organisation with 1,000 credits
      And a member without an allocation
      When the admin allocates 150 credits to the member 10 times at once
      Then 6 of them succeed and 4 are refused as 409 "insufficient unallocated credits"
      And the member has 900 credits of their allocation left
      And the organisation has 1,000 credits, of which 100 are unallocated
