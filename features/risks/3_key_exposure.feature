@allure.label.epic:Risks
Feature: Risk 3: A user's provider key is never exposed
  Anybody who reads a key can spend its owner's money at the provider. The key is stored encrypted,
  it is used only for its owner's requests, and no system shows it.

  A neighbour is another user who has nothing to do with the owner of the key.

  Rule: No system shows the stored key in plain text

    @F3.S3 @F3.E5 @F3.M3 @R3 @T4 @I3 @EP14 @EP15 @critical
    Scenario: No table, no value in Redis and no answer shows the key
      Given a BYOK user on the Professional plan with 1,000 credits
      And they have stored an OpenRouter key
      When they send a GPT-3.5-turbo request that uses 100 tokens with their own key
      Then the answer arrives
      And an encrypted key is stored for them
      And no table of unicorn_db contains their key in plain text
      And no table of lago contains their key in plain text
      And Redis does not contain their key in plain text
      And no answer to them shows their key

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
