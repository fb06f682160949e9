@allure.label.epic:Risks
Feature: Risk 3: A user's provider key is never exposed
  Anybody who reads a key can spend its owner's money at the provider. The key is stored encrypted,
  it is used only for its owner's requests, and no system shows it, neither where it rests nor on its way.

  A neighbour is another user who has nothing to do with the owner of the key.

  Rule: No system shows the stored key in plain text

    @F3.S3 @F3.E5 @F3.M3 @R3 @critical
    Scenario: No table, no other system and no answer shows the key
      Given a BYOK user on the Professional plan with 1,000 credits
      And they have stored an OpenRouter key
      When they send a GPT-3.5-turbo request that uses 100 tokens with their own key
      Then the answer arrives
      And an encrypted key is stored for them
      And no table of unicorn_db contains their key in plain text
      And no table of lago contains their key in plain text
      And Redis does not contain their key in plain text
      And neither their account in Keycloak nor LiteLLM shows their key
      And no answer to them shows their key

    @F3.M3 @R3 @critical
    Scenario: No log of the services shows a key, be it answered or refused
      Given a BYOK user on the Professional plan with 1,000 credits
      And they have stored an OpenRouter key
      When they send a GPT-3.5-turbo request that uses 100 tokens with their own key
      Then the answer arrives
      When they store an OpenRouter key that the provider does not know
      And they send a streamed GPT-3.5-turbo request that uses 100 tokens with their own key
      Then the request is refused with 401 "invalid byok key"
      And no log of the services shows a key of theirs

    @R3 @critical
    Scenario: The organisation's people do not see a member's key
      Given an organisation with 10,000 credits
      And a member with an allocation of 2,500 credits
      And a second member with an allocation of 1,000 credits
      When the member sends a GPT-3.5-turbo request that uses 100 tokens
      And the member stores an OpenRouter key
      And the member sends a GPT-3.5-turbo request that uses 100 tokens with their own key
      Then the answer arrives
      And no page of the organisation shows the member's key

    @R3 @critical
    Scenario: The refusal of an invalid key does not repeat it
      Given a BYOK user on the Professional plan with 1,000 credits
      And they have stored an OpenRouter key that the provider does not know
      When they send a GPT-3.5-turbo request that uses 100 tokens with their own key
      Then the request is refused with 401 "invalid byok key"
      And no answer to them shows their key

    @R3 @normal
    Scenario: The same key is encrypted differently for each of two users
      Given a BYOK user on the Professional plan with 1,000 credits
      And a neighbour on the Professional plan with 500 credits
      When the BYOK user and the neighbour store the same OpenRouter key
      Then what is stored for them differs

  Rule: Nobody can read a key on its way

    @R3 @critical
    Scenario: Keys travel encrypted, or not over the network at all
      Then keys are encrypted on their way to Ops-Center and to LiteLLM, or stay on one machine

    @R3 @EP14 @critical
    Scenario: A key in the address of a request is refused, because addresses are written into logs
      Given a BYOK user on the Professional plan with 1,000 credits
      When they send an OpenRouter key to be stored in the address of a request and not in its body
      Then it is refused with 422 Unprocessable Content
      And the refusal does not repeat what was sent
      And their settings list no key

  Rule: A key works for its owner only

    @R3 @R4 @needs.journal @critical
    Scenario: A neighbour's request does not use the key
      Given a BYOK user on the Professional plan with 1,000 credits
      And they have stored an OpenRouter key
      And a neighbour on the Professional plan with 500 credits
      When the neighbour sends a GPT-3.5-turbo request that uses 100 tokens with their own key
      Then the request is refused with 400 "byok key missing"
      And the neighbour's settings list no key
      And the provider was not called for the neighbour

    @F3.M3 @R3 @R4 @needs.journal @critical
    Scenario: What is stored for the owner of a key is of no use to another user
      Given a BYOK user on the Professional plan with 1,000 credits
      And they have stored an OpenRouter key
      And a neighbour on the Professional plan with 500 credits
      And they have stored an OpenRouter key
      When what is stored as the key of the neighbour is overwritten with what is stored for the BYOK user
      And the neighbour sends a GPT-3.5-turbo request that uses 100 tokens with their own key
      Then the request is refused with 400 "byok key missing"
      And the message says that no key is stored and asks to store one
      And the provider was not called for the neighbour
