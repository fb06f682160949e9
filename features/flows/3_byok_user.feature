@allure.label.epic:Flows @flow-3
Feature: Flow 3: A user with their own provider key pays the provider and not us
  A user who brings their own OpenRouter key (BYOK) is not charged a single credit for what that key paid.
  They can go back to platform credits at any time, and nobody else can use their key.

  Background:
    Given these prices in credits for 100 tokens
      | model           | credits |
      | GPT-3.5-turbo   | 9       |
      | GPT-4           | 48      |
      | GPT-4-turbo     | 24      |
      | Claude-3-Sonnet | 15      |

  Rule: The whole flow works in the plan's order

    @journey @A3 @F3.P1 @F3.P2 @F3.P3 @F3.P4 @F3.S1 @F3.S2 @F3.S3 @F3.S4 @F3.S5 @F3.S6 @F3.S7 @F3.S8 @F3.S9 @F3.S10 @needs.journal @critical
    Scenario: A user's own key from its storing to its refusal, and back to platform credits
      Given a BYOK user on the Professional plan with 1,000 credits
      When they sign in
      And they store an OpenRouter key
      Then an encrypted key is stored for them
      And no table of unicorn_db contains their key in plain text
      When they send a GPT-3.5-turbo request that uses 100 tokens with their own key
      Then the provider was called once with the BYOK user's own key and never with the platform's
      And they have 1,000 credits left
      And they have used 1 of 10,000 calls
      And the answer arrives
      When they store an OpenRouter key that the provider does not know
      And they send a GPT-3.5-turbo request that uses 100 tokens with their own key
      Then the request is refused with 401 "invalid byok key"
      And the message asks to check the stored key
      And they have 1,000 credits left
      When they send a GPT-3.5-turbo request that uses 100 tokens
      Then the answer arrives
      And they have 991 credits left
      And they have used 3 of 10,000 calls

  Rule: A key is stored once and never shown again

    @F3.P1 @F3.P2 @F3.P3 @F3.P4 @F3.S1 @F3.S2 @EP14 @EP15 @critical
    Scenario: A user stores an OpenRouter key and sees only its last four characters
      Given a BYOK user on the Professional plan with 1,000 credits
      When they store an OpenRouter key
      Then the key is shown by its last four characters only
      And their settings list an OpenRouter key
      And they have 1,000 credits left
      And they have used 0 of 10,000 calls

    @normal
    Scenario: A user has no key before they store one
      Given a BYOK user on the Professional plan with 1,000 credits
      When they sign in
      Then their settings list no key

    @EP14 @normal
    Scenario Outline: Storing <what> as a key is refused
      Given a BYOK user on the Professional plan with 1,000 credits
      When they try to store <what> as their OpenRouter key
      Then it is refused with 422 Unprocessable Content
      And their settings list no key

      Examples:
        | what                |
        | an empty text       |
        | "my-openrouter-key" |
        | "sk-or-"            |

    @EP14 @R3 @normal
    Scenario: A mistyped key is refused, and the refusal does not repeat it
      Given a BYOK user on the Professional plan with 1,000 credits
      When they try to store "sk-or-v1-a b c d e f g" as their OpenRouter key
      Then it is refused with 422 Unprocessable Content
      And their settings list no key
      And the refusal does not repeat what was sent

  Rule: A request with the user's own key costs no credits

    @F3.S4 @F3.S5 @F3.S6 @F3.S8 @F3.E1 @F3.M1 @A7 @I5 @needs.journal @critical
    Scenario: The user's own key pays and no credits are deducted
      Given a BYOK user on the Professional plan with 1,000 credits
      And they have stored an OpenRouter key
      When they send a GPT-3.5-turbo request that uses 100 tokens with their own key
      Then the answer arrives
      And the answer says that their own key paid
      And OpenRouter was called once, with the key that they stored for it, and no other provider was called
      And they have 1,000 credits left
      And no charge is on their account

    @F3.S6 @F3.M1 @A7 @critical
    Scenario Outline: A <model> request with the user's own key costs nothing
      Given a BYOK user on the Professional plan with 1,000 credits
      And they have stored an OpenRouter key
      When they send a <model> request that uses 1,000 tokens with their own key
      Then the answer arrives
      And they have 1,000 credits left
      And no charge is on their account

      Examples:
        | model           |
        | GPT-4           |
        | GPT-4-turbo     |
        | Claude-3-Sonnet |

    @F3.S6 @A7 @critical
    Scenario: A user without any credits can use their own key
      Given a BYOK user on the Professional plan with 0 credits
      And they have stored an OpenRouter key
      When they send a GPT-4 request that uses 1,000 tokens with their own key
      Then the answer arrives
      And they have 0 credits left

    @A7 @critical
    Scenario: An organisation pays nothing for a member's request with their own key
      Given an organisation with 10,000 credits
      And a member with an allocation of 2,500 credits
      And the member has stored an OpenRouter key
      When the member sends a GPT-3.5-turbo request that uses 100 tokens with their own key
      Then the answer arrives
      And the organisation has 10,000 credits, of which 7,500 are unallocated
      And the member has 2,500 credits of their allocation left

    @A7 @needs.journal @normal
    Scenario: A user's OpenAI key pays for OpenAI's models
      Given a BYOK user on the Professional plan with 1,000 credits
      And they have stored an OpenAI key
      When they send a GPT-4 request that uses 100 tokens with their own key
      Then the answer arrives
      And OpenAI was called once, with the key that they stored for it, and no other provider was called
      And they have 1,000 credits left

    @EP8 @normal
    Scenario: The history shows which requests the user's own key paid for
      Given a BYOK user on the Professional plan with 1,000 credits
      And they have stored an OpenRouter key
      When they send a GPT-3.5-turbo request that uses 100 tokens with their own key
      And they send a GPT-3.5-turbo request that uses 100 tokens
      Then their history reads
        | model         | tokens | credits | own key |
        | GPT-3.5-turbo | 100    | 9       | no      |
        | GPT-3.5-turbo | 100    | 0       | yes     |

  Rule: The month's quota applies to requests with the user's own key too

    @F3.S7 @F3.M2 @F3.P4 @critical
    Scenario: A request with the user's own key counts as one call
      Given a BYOK user on the Professional plan with 1,000 credits
      And they have stored an OpenRouter key
      When they send a GPT-3.5-turbo request that uses 100 tokens with their own key
      Then the answer arrives
      And it says that 9,999 of 10,000 calls are left until the first of next month
      And they have used 1 of 10,000 calls

    @F3.E2 @F3.M2 @R2 @needs.journal @critical
    Scenario: A request with the user's own key is refused when the quota is used up
      Given a BYOK user on the Professional plan with 1,000 credits
      And they have stored an OpenRouter key
      And they have already made 9,999 calls this month
      When they send a GPT-3.5-turbo request that uses 100 tokens with their own key
      Then the answer arrives
      When they send a GPT-3.5-turbo request that uses 100 tokens with their own key
      Then the request is refused with 429 "quota exceeded"
      And they have used 10,000 of 10,000 calls
      And the provider was called 1 time for them

  Rule: A key that the provider refuses fails gracefully, and nobody else pays

    @F3.S9 @F3.E3 @needs.journal @critical
    Scenario: An invalid key is refused, and the platform's key is not tried
      Given a BYOK user on the Professional plan with 1,000 credits
      And they have stored an OpenRouter key that the provider does not know
      When they send a GPT-3.5-turbo request that uses 100 tokens with their own key
      Then the request is refused with 401 "invalid byok key"
      And the message asks to check the stored key
      And the provider was called once with the BYOK user's own key and never with the platform's
      And they have 1,000 credits left
      And no charge is on their account

    @F3.S10 @normal
    Scenario: A user with an invalid key can still pay with platform credits
      Given a BYOK user on the Professional plan with 1,000 credits
      And they have stored an OpenRouter key that the provider does not know
      When they send a GPT-3.5-turbo request that uses 100 tokens
      Then the answer arrives
      And they have 991 credits left

  Rule: The user chooses for each request who pays

    @F3.S10 @F3.E4 @needs.journal @critical
    Scenario: A request that does not ask for the user's own key is paid with platform credits
      Given a BYOK user on the Professional plan with 1,000 credits
      And they have stored an OpenRouter key
      When they send a GPT-3.5-turbo request that uses 100 tokens
      Then the answer arrives
      And they have 991 credits left
      And one charge of 9 credits is on their account
      And the provider was called once with the platform's key and never with the BYOK user's own

    @F3.E4 @F3.M2 @normal
    Scenario: A user can switch between their own key and platform credits
      Given a BYOK user on the Professional plan with 1,000 credits
      And they have stored an OpenRouter key
      When they send a GPT-3.5-turbo request that uses 100 tokens with their own key
      And they send a GPT-3.5-turbo request that uses 100 tokens
      And they send a GPT-3.5-turbo request that uses 100 tokens with their own key
      Then they have 991 credits left
      And one charge of 9 credits is on their account
      And they have used 3 of 10,000 calls

    @H4 @A11 @needs.journal @critical
    Scenario: A user who stored no key is told about it, and no platform credits are used instead
      Given a BYOK user on the Professional plan with 1,000 credits
      When they send a GPT-3.5-turbo request that uses 100 tokens with their own key
      Then the request is refused with 400 "byok key missing"
      And the message says that no key is stored and asks to store one
      And they have 1,000 credits left
      And they have used 0 of 10,000 calls
      And the provider was not called for them

    @R3 @needs.journal @normal
    Scenario: A removed key is not used again
      Given a BYOK user on the Professional plan with 1,000 credits
      And they have stored an OpenRouter key
      When they send a GPT-3.5-turbo request that uses 100 tokens with their own key
      And they remove their OpenRouter key
      And they send a GPT-3.5-turbo request that uses 100 tokens with their own key
      Then the request is refused with 400 "byok key missing"
      And their settings list no key
      And the provider was called 1 time for them

    @F3.S2 @needs.journal @normal
    Scenario: A new key replaces the old one
      Given a BYOK user on the Professional plan with 1,000 credits
      And they have stored an OpenRouter key that the provider does not know
      And they have stored an OpenRouter key
      When they send a GPT-3.5-turbo request that uses 100 tokens with their own key
      Then the answer arrives
      And the provider was called with the key stored last

  Rule: With keys of both providers, OpenRouter's is used; a key of OpenAI serves only OpenAI's models

    @F3.S5 @A7 @needs.journal @normal
    Scenario: A user who stored keys of both providers uses OpenRouter's, also for a model of OpenAI
      Given a BYOK user on the Professional plan with 1,000 credits
      And they have stored an OpenRouter key
      And they have stored an OpenAI key
      When they send a GPT-4 request that uses 100 tokens with their own key
      Then the answer arrives
      And OpenRouter was called once, with the key that they stored for it, and no other provider was called
      And they have 1,000 credits left

    @A7 @needs.journal @critical
    Scenario: A key of OpenAI does not serve another vendor's model, and no platform credits are used instead
      Given a BYOK user on the Professional plan with 1,000 credits
      And they have stored an OpenAI key
      When they send a Claude-3-Sonnet request that uses 100 tokens with their own key
      Then the request is refused with 400 "byok key missing"
      And they have 1,000 credits left
      And they have used 0 of 10,000 calls
      And the provider was not called for them

  Rule: If the account of the user's own key can't pay, nobody else pays

    @A7 @A11 @R6 @needs.journal @critical
    Scenario Outline: A user whose account at <provider> is empty is told so, and the platform's key is not tried
      Given a BYOK user on the Professional plan with 1,000 credits
      And they have stored an <provider> key
      And the account of their <provider> key is empty
      When they send a GPT-4 request that uses 100 tokens with their own key
      Then the request is refused with 502 "provider error"
      And the message says that the account of their key may be empty or rate-limited
      And <provider> was called once, with the key that they stored for it, and no other provider was called
      And they have 1,000 credits left
      And no charge is on their account

      Examples:
        | provider   |
        | OpenRouter |
        | OpenAI     |

    @A7 @A11 @R6 @needs.journal @critical
    Scenario: A user whose own key is rate-limited is told so, and the platform's key is not tried
      Given a BYOK user on the Professional plan with 1,000 credits
      And they have stored an OpenRouter key
      And for them the provider limits the rate of the account
      When they send a GPT-4 request that uses 100 tokens with their own key
      Then the request is refused with 502 "provider error"
      And the message says that the account of their key may be empty or rate-limited
      And OpenRouter was called once, with the key that they stored for it, and no other provider was called
      And they have 1,000 credits left
      And no charge is on their account

  Rule: Whatever people with keys of their own do, every answer and every charge is as agreed

    @normal
    Scenario: Histories that nobody wrote leave people with keys of their own with what they should have
      When 4 random histories of people with keys of their own happen, made of the seed 1
      Then every answer and every charge of them is as agreed
