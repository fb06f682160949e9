@allure.label.epic:Risks
Feature: Risk 3 A user's provider key is never exposed
  A leaked key spends its owner's money at the provider. It is kept encrypted, used only for its owner's requests,
  and no system shows it to anybody.

  Rule: The stored key is nowhere in clear

    @F3.S3 @F3.E5 @F3.M3 @R3 @T4 @critical
    Scenario: No column of any table holds the key
      Given a BYOK user on the Professional plan with 1,000 credits
      And they have stored an OpenRouter key
      When they ask GPT-3.5-turbo a question of 100 tokens with their own key
      Then the answer arrives
      And an encrypted key is stored for them
      And no table of unicorn_db holds their key in clear
      And no table of lago holds their key in clear

    @F3.S3 @R3 @I3 @critical
    Scenario: Redis does not hold the key
      Given a BYOK user on the Professional plan with 1,000 credits
      And they have stored an OpenRouter key
      When they ask GPT-3.5-turbo a question of 100 tokens with their own key
      Then the answer arrives
      And Redis does not hold their key in clear

    @R3 @EP14 @EP15 @critical
    Scenario: No answer shows the key
      Given a BYOK user on the Professional plan with 1,000 credits
      And they have stored an OpenRouter key
      When they ask GPT-3.5-turbo a question of 100 tokens with their own key
      Then no answer that they get anywhere shows their key

    @R3 @critical
    Scenario: The refusal of an invalid key does not repeat it
      Given a BYOK user on the Professional plan with 1,000 credits
      And they have stored an OpenRouter key that the provider does not know
      When they ask GPT-3.5-turbo a question of 100 tokens with their own key
      Then the request is refused as 401 "invalid byok key"
      And no answer that they get anywhere shows their key

    @R3 @normal
    Scenario: The same key stored by two people is encrypted differently for each
      Given a BYOK user on the Professional plan with 1,000 credits
      And a neighbour on the Professional plan with 500 credits
      When the BYOK user and the neighbour store the same OpenRouter key
      Then what is stored for them differs

  Rule: A key works for its owner only

    @R3 @R4 @needs.journal @critical
    Scenario: A neighbour's request does not use it
      Given a BYOK user on the Professional plan with 1,000 credits
      And they have stored an OpenRouter key
      And a neighbour on the Professional plan with 500 credits
      When the neighbour asks GPT-3.5-turbo a question of 100 tokens with their own key
      Then the request is refused as 400 "byok key missing"
      And the neighbour's settings list no key
      And the provider was not called for the neighbour
