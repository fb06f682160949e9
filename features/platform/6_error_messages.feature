@allure.label.epic:Platform
Feature: Platform: An error message says what to do next
  A refusal that only says "no" leads to a support request. Each refusal says what is wrong and what to do.

  Background:
    Given these prices in credits for 100 tokens
      | model         | credits |
      | GPT-3.5-turbo | 9       |

  Rule: A refusal says what to do and shows no internals

    @A11 @critical
    Scenario: A refusal for lack of credits says where to buy more
      Given an individual on the Professional plan with 8 credits
      When they send a GPT-3.5-turbo request that uses 100 tokens
      Then the request is refused with 402 "insufficient credits"
      And the message shows where to buy more
      And the link leads to a page
      And the refusal is a clear sentence that shows no internals

    @A11 @critical
    Scenario: A refusal for lack of calls says when the quota resets
      Given a trial user on the Trial plan with 1,000 credits
      And they have already made 700 calls this month
      When they send a GPT-3.5-turbo request that uses 100 tokens
      Then the request is refused with 429 "quota exceeded"
      And the message names the reset date
      And the refusal is a clear sentence that shows no internals

    @A11 @critical
    Scenario: A refusal for lack of an allocation says whom to contact
      Given an organisation with 10,000 credits
      And a member without an allocation
      When the member sends a GPT-3.5-turbo request that uses 100 tokens
      Then the request is refused with 403 "no credit allocation"
      And the message asks to contact the organisation's admin
      And the refusal is a clear sentence that shows no internals

    @A11 @critical
    Scenario: A refusal because of an invalid key says to check the key
      Given a BYOK user on the Professional plan with 1,000 credits
      And they have stored an OpenRouter key that the provider does not know
      When they send a GPT-3.5-turbo request that uses 100 tokens with their own key
      Then the request is refused with 401 "invalid byok key"
      And the message asks to check the stored key
      And the refusal is a clear sentence that shows no internals

    @A11 @I5 @needs.journal @normal
    Scenario: A refusal because of a provider error says that nothing was charged
      Given an individual on the Professional plan with 10,000 credits
      And for them the provider answers with a server error
      When they send a GPT-3.5-turbo request that uses 100 tokens
      Then the request is refused with 502 "provider error"
      And the message says that nothing was charged and asks to try again
      And they have 10,000 credits left
      And no credits are reserved for them
      And the refusal is a clear sentence that shows no internals

  Rule: A refusal for several reasons names the one to solve first

    @A11 @normal
    Scenario: A user without calls and without credits is told about the calls
      Given a trial user on the Trial plan with 0 credits
      And they have already made 700 calls this month
      When they send a GPT-3.5-turbo request that uses 100 tokens
      Then the request is refused with 429 "quota exceeded"

    @A11 @normal
    Scenario: A user without calls who requests an unknown model is told about the model
      Given a trial user on the Trial plan with 1,000 credits
      And they have already made 700 calls this month
      When they send a request for a model that is not on offer
      Then it is refused with 422 Unprocessable Content
