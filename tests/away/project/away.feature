Feature: Services that fail while a run is under way

  Background:
    Given these prices in credits for 100 tokens
      | model           | credits |
      | GPT-3.5-turbo   | 9       |
      | GPT-4           | 48      |
      | GPT-4-turbo     | 24      |
      | Claude-3-Sonnet | 15      |

  Scenario: All is well
    Given an individual on the Professional plan with 100 credits
    When they send a GPT-3.5-turbo request that uses 100 tokens
    Then the answer arrives
    And they have 91 credits left

  Scenario: Somebody asks a model
    Given an individual on the Professional plan with 100 credits
    When they send a GPT-3.5-turbo request that uses 100 tokens
    Then the answer arrives
    And they have 91 credits left

  Scenario: The models on offer are served
    Given an individual on the Professional plan with 0 credits
    When they look at the models on offer
    Then the models on offer cost for 100 tokens
      | model           | credits |
      | GPT-3.5-turbo   | 9       |
      | GPT-4           | 48      |
      | GPT-4-turbo     | 24      |
      | Claude-3-Sonnet | 15      |
    And LiteLLM serves each of them

  Scenario: What needs no service
    When the suite is asked what it would run for @flow-1
    Then it would run every scenario of flow 1 and no other

  Scenario: All is well again
    Given the service works again
    And an individual on the Professional plan with 100 credits
    When they look at the models on offer
    Then LiteLLM serves each of them
    When they send a GPT-3.5-turbo request that uses 100 tokens
    Then the answer arrives
    And they have 91 credits left
