@allure.label.epic:Risks
Feature: Risk 1: A request is charged once, and only if it is answered
  Connections break, clients send a request again, providers fail in the middle of an answer. In every case
  a request is charged once if it was answered, and not at all if it was not.

  A neighbour is another user who has nothing to do with the first one.

  Background:
    Given these prices in credits for 100 tokens
      | model         | credits |
      | GPT-3.5-turbo | 9       |
      | GPT-4         | 48      |

  Rule: Requests with the same idempotency key are charged once

    @R1 @EP9 @needs.journal @critical
    Scenario: A repeated request gets the first answer again and costs nothing more
      Given an individual on the Professional plan with 10,000 credits
      When they send a GPT-3.5-turbo request that uses 100 tokens under an idempotency key
      And they send the same request again
      Then both answers are the same
      And they have 9,991 credits left
      And one charge of 9 credits is on their account
      And they have used 1 of 10,000 calls
      And the provider was called 1 time for them

    @R1 @EP9 @needs.journal @critical
    Scenario: Another request under the same idempotency key is refused
      Given an individual on the Professional plan with 10,000 credits
      When they send a GPT-3.5-turbo request that uses 100 tokens under an idempotency key
      And they send a GPT-4 request that uses 100 tokens under the same idempotency key
      Then the request is refused with 422 "idempotency key reused"
      And they have 9,991 credits left
      And the provider was called 1 time for them

    @R1 @R4 @EP9 @normal
    Scenario: Two users may use the same idempotency key, and each pays for their own request
      Given an individual on the Professional plan with 10,000 credits
      And a neighbour on the Professional plan with 500 credits
      When the individual sends a GPT-3.5-turbo request that uses 100 tokens under an idempotency key
      And the neighbour sends a GPT-4 request that uses 100 tokens under the same idempotency key
      Then the answer arrives
      And the individual has 9,991 credits left
      And the neighbour has 452 credits left

    @R1 @EP9 @needs.journal @critical
    Scenario: A repeated request is refused while the first one is still running
      Given an individual on the Professional plan with 10,000 credits
      And the provider takes 1 second to answer them
      When they send the same GPT-3.5-turbo request, which uses 100 tokens, twice at the same time
      Then 1 answer arrives and 1 is refused with 409
      And they have 9,991 credits left
      And the provider was called 1 time for them

    @R1 @EP3 @critical
    Scenario: A repeated purchase is charged once
      Given an organisation with 0 credits
      When the admin purchases 10,000 credits under an idempotency key
      And the admin sends the same purchase again
      Then both purchases are the same
      And the organisation has 10,000 credits
      And one purchase of 10,000 credits is on the organisation's account

    @R1 @EP9 @normal
    Scenario: A refused request may be repeated under a new idempotency key after a grant of credits
      Given an individual on the Professional plan with 8 credits
      When they send a GPT-3.5-turbo request that uses 100 tokens under an idempotency key
      Then the request is refused with 402 "insufficient credits"
      When they are granted 100 credits
      And they send a GPT-3.5-turbo request that uses 100 tokens under an idempotency key
      Then the answer arrives
      And they have 99 credits left

    @R1 @EP9 @needs.journal @critical
    Scenario: A repetition that names the user's own key as payer is refused
      Given a BYOK user on the Professional plan with 1,000 credits
      And they have stored an OpenRouter key
      When they send a GPT-3.5-turbo request that uses 100 tokens under an idempotency key
      And they send the same request again with their own key
      Then the request is refused with 422 "idempotency key reused"
      And they have 991 credits left
      And the provider was called 1 time for them

    @R1 @R4 @EP9 @needs.journal @critical
    Scenario: A repetition that names another organisation as payer is refused
      Given an organisation with 10,000 credits
      And a second organisation with 5,000 credits
      And a member of both with an allocation of 1,000 credits in each
      When the member sends a GPT-3.5-turbo request that uses 100 tokens on behalf of the organisation under an idempotency key
      And the member sends the same request again on behalf of the second organisation
      Then the request is refused with 422 "idempotency key reused"
      And the organisation has 9,991 credits
      And the second organisation has 5,000 credits
      And the provider was called 1 time for the member

    @R1 @EP9 @needs.journal @critical
    Scenario: A refused request gets the same refusal again under its idempotency key, also after a grant of credits
      Given an individual on the Professional plan with 8 credits
      When they send a GPT-3.5-turbo request that uses 100 tokens under an idempotency key
      Then the request is refused with 402 "insufficient credits"
      When they are granted 100 credits
      And they send the same request again
      Then the request is refused with 402 "insufficient credits"
      And the refusal is the first one again
      And they have 108 credits left
      And the provider was not called for them

    @R1 @EP9 @needs.journal @critical
    Scenario: After a failure of the provider the same idempotency key is free for a new attempt
      Given an individual on the Professional plan with 10,000 credits
      And for them the provider answers with a server error
      When they send a GPT-3.5-turbo request that uses 100 tokens under an idempotency key
      Then the request is refused with 502 "provider error"
      When the provider answers them again
      And they send the same request again
      Then the answer arrives
      And they have 9,991 credits left
      And one charge of 9 credits is on their account
      And the provider was called 2 times for them

    @R1 @EP9 @needs.journal @normal
    Scenario: A stream that breaks off is no first answer, so that its idempotency key is free for a new attempt
      Given a BYOK user on the Professional plan with 100 credits
      And they have stored an OpenRouter key
      And for them the provider breaks streams off
      When they send a streamed GPT-3.5-turbo request that uses 100 tokens with their own key under an idempotency key
      And they send the same request again
      Then the answer breaks off with an error and without an end
      And they have used 2 of 10,000 calls
      And they have 100 credits left
      And the provider was called 2 times for them

    @R1 @EP3 @critical
    Scenario: The same idempotency key for another organisation is another purchase
      Given an organisation with 0 credits
      And a second organisation of the same admin with 0 credits
      When the admin purchases 500 credits under an idempotency key
      And the admin purchases 500 credits for the second organisation under the same idempotency key
      Then the organisation has 500 credits
      And the second organisation has 500 credits

    @R1 @EP9 @needs.journal @normal
    Scenario: Two equal requests without an idempotency key are two requests
      Given an individual on the Professional plan with 10,000 credits
      When they send a GPT-3.5-turbo request that uses 100 tokens
      And they send the same request again
      Then the answer arrives
      And they have 9,982 credits left
      And 2 charges of 9 credits are on their account
      And they have used 2 of 10,000 calls
      And the provider was called 2 times for them

    @R1 @EP9 @needs.journal @critical
    Scenario: A request id that a client sends gives no request for free
      Given an individual on the Professional plan with 10,000 credits
      When they send 2 GPT-3.5-turbo requests that each use 100 tokens, all with the same request id
      Then every answer arrives
      And they have 9,982 credits left
      And every answer has a request id of its own
      And 2 charges of 9 credits are on their account
      And they have used 2 of 10,000 calls
      And the provider was called 2 times for them

  Rule: A streamed answer is charged once

    @R1 @EP9 @critical
    Scenario: A streamed answer costs as much as an answer in one piece
      Given an individual on the Professional plan with 10,000 credits
      When they send a streamed GPT-3.5-turbo request that uses 100 tokens
      Then the answer arrives
      And the answer says that it cost 9 credits and leaves 9,991
      And they have 9,991 credits left
      And one charge of 9 credits is on their account
      And they have used 1 of 10,000 calls

    @R1 @A7 @F3.S5 @needs.journal @normal
    Scenario: A streamed answer with the user's own key costs nothing
      Given a BYOK user on the Professional plan with 1,000 credits
      And they have stored an OpenRouter key
      When they send a streamed GPT-3.5-turbo request that uses 100 tokens with their own key
      Then the answer arrives
      And the answer says that their own key paid
      And the provider was called once with the BYOK user's own key and never with the platform's
      And they have 1,000 credits left

    @R1 @F2.M1 @normal
    Scenario: The organisation pays for a member's streamed answer
      Given an organisation with 10,000 credits
      And a member with an allocation of 2,500 credits
      When the member sends a streamed GPT-3.5-turbo request that uses 100 tokens
      Then the answer arrives
      And the organisation has 9,991 credits
      And the member has 2,491 credits of their allocation left

    @R1 @EP9 @critical
    Scenario: A user who disconnects from a stream still pays what the provider reported
      Given an individual on the Professional plan with 10,000 credits
      When they send a streamed GPT-3.5-turbo request that uses 100 tokens and disconnect after the first words
      Then soon they have 9,991 credits left
      And one charge of 9 credits is on their account

    @R1 @EP9 @normal
    Scenario: A repeated stream is charged once
      Given an individual on the Professional plan with 10,000 credits
      When they send a streamed GPT-3.5-turbo request that uses 100 tokens under an idempotency key
      And they send the same request again
      Then both answers are the same
      And they have 9,991 credits left
      And one charge of 9 credits is on their account

  Rule: What the provider did not deliver is not charged

    @R1 @A8 @EP9 @needs.journal @critical
    Scenario Outline: The user pays nothing if the provider <trouble>
      Given an individual on the Professional plan with 10,000 credits
      And for them the provider <trouble>
      When they send a GPT-3.5-turbo request that uses 100 tokens
      Then the request is refused with <status> <meaning>
      And they have 10,000 credits left
      And no charge is on their account
      And no credits are reserved for them

      Examples:
        | trouble                        | status | meaning          |
        | answers with a server error    | 502    | "provider error" |
        | refuses the platform's key     | 502    | "provider error" |
        | finds the account empty        | 502    | "provider error" |
        | limits the rate of the account | 502    | "provider error" |
        | takes too long to answer       | 504    | Gateway Timeout  |

    @R1 @A8 @EP9 @needs.journal @critical
    Scenario Outline: A stream is not charged if the provider <trouble>
      Given an individual on the Professional plan with 10,000 credits
      And for them the provider <trouble>
      When they send a streamed GPT-3.5-turbo request that uses 100 tokens
      Then the answer breaks off with an error and without an end
      And soon no credits are reserved for them
      And they have 10,000 credits left
      And no charge is on their account

      Examples: The user saw no end, whatever the provider has counted
        | trouble                                     |
        | breaks streams off                          |
        | breaks streams off after it counted the tokens |

    @R1 @F2.M1 @needs.journal @critical
    Scenario: A failed request does not change the member's allocation
      Given an organisation with 10,000 credits
      And a member with an allocation of 2,500 credits
      And for the member the provider answers with a server error
      When the member sends a GPT-3.5-turbo request that uses 100 tokens
      Then the request is refused with 502 "provider error"
      And the organisation has 10,000 credits, of which 7,500 are unallocated
      And the member has 2,500 credits of their allocation left
      And no credits are reserved for the member

  Rule: A user who does not wait for a whole answer pays for it all the same

    @R1 @EP9 @needs.journal @critical
    Scenario: A user who disconnects before a whole answer pays as much as one who waits
      Given an individual on the Professional plan with 10,000 credits
      And the provider takes 1 second to answer them
      When they send a GPT-3.5-turbo request that uses 100 tokens and disconnect before the answer
      Then soon they have 9,991 credits left
      And one charge of 9 credits is on their account
      And no credits are reserved for them
      And they have used 1 of 10,000 calls
      And the provider was called 1 time for them

    @R1 @EP9 @needs.journal @critical
    Scenario: A user who lost the connection can send the request again under its idempotency key, and pays once
      Given an individual on the Professional plan with 10,000 credits
      And the provider takes 1 second to answer them
      When they send a GPT-3.5-turbo request that uses 100 tokens under an idempotency key and disconnect before the answer
      Then soon they have 9,991 credits left
      When they send the unanswered request again
      Then the answer arrives
      And the answer says that it cost 9 credits and leaves 9,991
      And they have 9,991 credits left
      And one charge of 9 credits is on their account
      And they have used 1 of 10,000 calls
      And the provider was called 1 time for them
