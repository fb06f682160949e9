@allure.label.epic:Risks
Feature: Risk 1 Nobody is charged twice, or for nothing
  Connections break, clients try again, providers fail half-way. Whatever happens,
  a request is charged once if it was answered and not at all if it was not.

  Background:
    Given these prices in credits for 100 tokens
      | model         | credits |
      | GPT-3.5-turbo | 9       |
      | GPT-4         | 48      |

  Rule: The same idempotency key is charged once

    @R1 @EP9 @needs.journal @critical
    Scenario: A repeated request gets the first answer again and costs nothing more
      Given an individual on the Professional plan with 10,000 credits
      When they ask GPT-3.5-turbo a question of 100 tokens under an idempotency key
      And they send the same request again
      Then both answers are the same
      And they have 9,991 credits left
      And one charge of 9 credits is on their account
      And they have used 1 of 10,000 calls
      And the provider was called 1 time for them

    @R1 @EP9 @needs.journal @critical
    Scenario: The same key with another question is refused
      Given an individual on the Professional plan with 10,000 credits
      When they ask GPT-3.5-turbo a question of 100 tokens under an idempotency key
      And they ask GPT-4 a question of 100 tokens under the same idempotency key
      Then the request is refused as 422 "idempotency key reused"
      And they have 9,991 credits left
      And the provider was called 1 time for them

    @R1 @R4 @EP9 @normal
    Scenario: Two people may use the same key, and each pays for their own request
      Given an individual on the Professional plan with 10,000 credits
      And a neighbour on the Professional plan with 500 credits
      When the individual asks GPT-3.5-turbo a question of 100 tokens under an idempotency key
      And the neighbour asks GPT-4 a question of 100 tokens under the same idempotency key
      Then the answer arrives
      And the individual has 9,991 credits left
      And the neighbour has 452 credits left

    @R1 @EP9 @needs.journal @critical
    Scenario: A repetition while the first request still runs is turned away
      Given an individual on the Professional plan with 10,000 credits
      And the provider takes 1 second to answer them
      When they send the same request of 100 tokens to GPT-3.5-turbo twice at once
      Then 1 answer arrives and 1 is refused as 409
      And they have 9,991 credits left
      And the provider was called 1 time for them

    @R1 @EP3 @critical
    Scenario: A repeated purchase is bought once
      Given an organisation with 0 credits
      When the admin purchases 10,000 credits under an idempotency key
      And the admin sends the same purchase again
      Then both purchases are the same
      And the organisation has 10,000 credits
      And one purchase of 10,000 credits is on the organisation's account

    @R1 @EP9 @normal
    Scenario: A refused request may be repeated under a new key once credits are there
      Given an individual on the Professional plan with 8 credits
      When they ask GPT-3.5-turbo a question of 100 tokens under an idempotency key
      Then the request is refused as 402 "insufficient credits"
      When they are granted 100 credits
      And they ask GPT-3.5-turbo a question of 100 tokens under an idempotency key
      Then the answer arrives
      And they have 99 credits left

  Rule: A streamed answer is charged once

    @R1 @EP9 @critical
    Scenario: A streamed answer costs what the same answer costs in one piece
      Given an individual on the Professional plan with 10,000 credits
      When they ask GPT-3.5-turbo a question of 100 tokens as a stream
      Then the answer arrives
      And the answer says that it cost 9 credits and leaves 9,991
      And they have 9,991 credits left
      And one charge of 9 credits is on their account
      And they have used 1 of 10,000 calls

    @R1 @A7 @F3.S5 @needs.journal @normal
    Scenario: A streamed answer on the user's own key costs nothing
      Given a BYOK user on the Professional plan with 1,000 credits
      And they have stored an OpenRouter key
      When they ask GPT-3.5-turbo a question of 100 tokens as a stream with their own key
      Then the answer arrives
      And the answer says that their own key paid
      And the provider was called once with the BYOK user's own key and never with the platform's
      And they have 1,000 credits left

    @R1 @F2.M1 @normal
    Scenario: A member's streamed answer is paid by the organisation
      Given an organisation with 10,000 credits
      And a member with an allocation of 2,500 credits
      When the member asks GPT-3.5-turbo a question of 100 tokens as a stream
      Then the answer arrives
      And the organisation has 9,991 credits
      And the member has 2,491 credits of their allocation left

    @R1 @EP9 @critical
    Scenario: Whoever leaves a stream early still pays what the provider reported
      Given an individual on the Professional plan with 10,000 credits
      When they ask GPT-3.5-turbo a question of 100 tokens as a stream and leave after the first words
      Then soon they have 9,991 credits left
      And one charge of 9 credits is on their account

    @R1 @EP9 @normal
    Scenario: A repeated stream is charged once
      Given an individual on the Professional plan with 10,000 credits
      When they ask GPT-3.5-turbo a question of 100 tokens as a stream under an idempotency key
      And they send the same request again
      Then both answers are the same
      And they have 9,991 credits left
      And one charge of 9 credits is on their account

  Rule: What the provider did not deliver is not charged

    @R1 @A8 @EP9 @needs.journal @critical
    Scenario Outline: <trouble> costs the user nothing
      Given an individual on the Professional plan with 10,000 credits
      And for them the provider <trouble>
      When they ask GPT-3.5-turbo a question of 100 tokens
      Then the request is refused as <status> <meaning>
      And they have 10,000 credits left
      And no charge is on their account
      And no credits are held for them

      Examples:
        | trouble                        | status | meaning          |
        | answers with a server error    | 502    | "provider error" |
        | refuses the platform's key     | 502    | "provider error" |
        | takes too long to answer       | 504    | Gateway Timeout  |

    @R1 @A8 @EP9 @I5 @needs.journal @critical
    Scenario: A stream that breaks before its end is not charged
      Given an individual on the Professional plan with 10,000 credits
      And for them the provider breaks streams off
      When they ask GPT-3.5-turbo a question of 100 tokens as a stream
      Then the answer breaks off with an error and without an end
      And soon no credits are held for them
      And they have 10,000 credits left
      And no charge is on their account

    @R1 @F2.M1 @needs.journal @critical
    Scenario: A failed request gives the member's allocation back whole
      Given an organisation with 10,000 credits
      And a member with an allocation of 2,500 credits
      And for the member the provider answers with a server error
      When the member asks GPT-3.5-turbo a question of 100 tokens
      Then the request is refused as 502 "provider error"
      And the organisation has 10,000 credits, of which 7,500 are unallocated
      And the member has 2,500 credits of their allocation left
      And no credits are held for the member

    @R4 @I5 @needs.journal @normal
    Scenario: The provider's trouble with one user does not reach another
      Given an individual on the Professional plan with 10,000 credits
      And a neighbour on the Professional plan with 500 credits
      And for the individual the provider answers with a server error
      When the individual asks GPT-3.5-turbo a question of 100 tokens
      Then the request is refused as 502 "provider error"
      When the neighbour asks GPT-3.5-turbo a question of 100 tokens
      Then the answer arrives
      And the neighbour has 491 credits left
