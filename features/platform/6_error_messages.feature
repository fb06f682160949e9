@allure.label.epic:Platform
Feature: Whoever reads an error knows what to do next
  A refusal that only says "no" makes a support ticket. Each one says what is wrong and what to do,
  and a red check of this suite says where to look first.

  Background:
    Given these prices in credits for 100 tokens
      | model         | credits |
      | GPT-3.5-turbo | 9       |

  Rule: Every refusal says what to do and gives nothing away

    @A11 @critical
    Scenario: Without credits: where to buy more
      Given an individual on the Professional plan with 8 credits
      When they ask GPT-3.5-turbo a question of 100 tokens
      Then the request is refused as 402 "insufficient credits"
      And the message shows where to buy more
      And the refusal is a clear sentence that gives no internals away

    @A11 @critical
    Scenario: Without calls: when the quota starts anew
      Given a trial user on the Trial plan with 1,000 credits
      And they have already made 700 calls this month
      When they ask GPT-3.5-turbo a question of 100 tokens
      Then the request is refused as 429 "quota exceeded"
      And the message names the reset date
      And the refusal is a clear sentence that gives no internals away

    @A11 @critical
    Scenario: Without an allocation: whom to ask
      Given an organisation with 10,000 credits
      And a member without an allocation
      When the member asks GPT-3.5-turbo a question of 100 tokens
      Then the request is refused as 403 "no credit allocation"
      And the message asks to turn to the organisation's admin
      And the refusal is a clear sentence that gives no internals away

    @A11 @critical
    Scenario: With a key that the provider refuses: check the key
      Given a BYOK user on the Professional plan with 1,000 credits
      And they have stored an OpenRouter key that the provider does not know
      When they ask GPT-3.5-turbo a question of 100 tokens with their own key
      Then the request is refused as 401 "invalid byok key"
      And the message asks to check the stored key
      And the refusal is a clear sentence that gives no internals away

    @A11 @I5 @needs.journal @normal
    Scenario: With the provider in trouble: try again, nothing was charged
      Given an individual on the Professional plan with 10,000 credits
      And for them the provider answers with a server error
      When they ask GPT-3.5-turbo a question of 100 tokens
      Then the request is refused as 502 "provider error"
      And the message says that nothing was charged
      And they have 10,000 credits left
      And no credits are held for them
      And the refusal is a clear sentence that gives no internals away

  Rule: Of several things that are wrong the first is told, in the order in which they have to be put right

    @A11 @normal
    Scenario: Who has neither calls nor credits left is told of the calls
      Given a trial user on the Trial plan with 0 credits
      And they have already made 700 calls this month
      When they ask GPT-3.5-turbo a question of 100 tokens
      Then the request is refused as 429 "quota exceeded"

    @A11 @normal
    Scenario: Who has no calls left and asks for a model that is not on offer is told of the model
      Given a trial user on the Trial plan with 1,000 credits
      And they have already made 700 calls this month
      When they ask for a model that is not on offer
      Then it is refused as 422 Unprocessable Content

  Rule: A red check says where to look first

    @H1 @critical
    Scenario: Signing in fails for somebody whom Keycloak does not know
      When somebody whom nobody made tries to sign in
      Then Keycloak refuses the sign-in
      And the hint says that Keycloak answers but has no such user

    @H1 @normal
    Scenario: Signing in fails with a wrong password
      Given an individual on the Professional plan with 10,000 credits
      When they try to sign in with a wrong password
      Then Keycloak refuses the sign-in
      And the hint says that Keycloak answers and the user exists

    @H2 @needs.journal @critical
    Scenario: Credits that were not deducted point at the credit middleware
      Given an individual on the Professional plan with 10,000 credits
      And the provider has answered them once without Ops-Center
      When the suite checks that they have 9,991 credits left
      Then the check is red
      And its message names the individual, 10,000 found and 9,991 expected
      And its message says that the credit middleware may be off

    @H3 @critical
    Scenario: Missing organisation credits point at the missing purchase
      Given an organisation with 0 credits
      When the suite checks that the organisation has 10,000 credits
      Then the check is red
      And its message says that nothing was purchased for the organisation

    @H4 @critical
    Scenario Outline: A key that is not detected points at what is stored: <stored>
      Given a BYOK user on the Professional plan with 1,000 credits
      And they have stored <stored>
      When the suite looks up why their key is not detected
      Then the hint says that <hint> for their user id

      Examples:
        | stored            | hint                         |
        | nothing           | no key is stored             |
        | an OpenRouter key | a key of openrouter is stored |
