@allure.label.epic:Platform
Feature: Platform: The services behind the credit flow are up
  A verdict about money means something only when every system that takes part is up, is the right one,
  and answers as the flow requires.

  Rule: Every service is up before anything is judged

    @X3 @I1 @I2 @I3 @I4 @I5 @I6 @critical
    Scenario Outline: <service> is up
      When the services are asked how they are
      Then <service> is up

      Examples:
        | service    |
        | Keycloak   |
        | PostgreSQL |
        | Redis      |
        | Lago       |
        | LiteLLM    |
        | Ops-Center |

    @X3 @I6 @normal
    Scenario: Ops-Center itself reports every service as up
      When Ops-Center is asked how it is
      Then it reports itself and at least 5 services as up

    @I5 @EP10 @critical
    Scenario: Every model of the price list is offered at the plan's price, and LiteLLM serves it
      Given an individual on the Professional plan with 0 credits
      When they look at the models on offer
      Then the models on offer cost for 100 tokens
        | model           | credits |
        | GPT-3.5-turbo   | 9       |
        | GPT-4           | 48      |
        | GPT-4-turbo     | 24      |
        | Claude-3-Sonnet | 15      |
      And LiteLLM serves each of them

  Rule: The suite needs nothing that somebody has to make by hand

    @X5 @I1 @critical
    Scenario: The users of a scenario are made for it and can sign in
      Given an individual on the Professional plan with 10,000 credits
      When they sign in
      Then Keycloak knows them by their user id
      And Lago knows them as a customer by the same id

    @X1 @critical
    Scenario: One command selects every scenario of the plan
      When the suite is asked what it would run
      Then it would run every feature of the plan's flows, edge cases, risks and platform

    @X2 @critical
    Scenario Outline: The plan's <flow> can be run alone
      When the suite is asked what it would run for <tag>
      Then it would run scenarios of <place> and of nothing else

      Examples:
        | flow              | tag         | place      |
        | individual flow   | @flow-1     | flows      |
        | organisation flow | @flow-2     | flows      |
        | BYOK flow         | @flow-3     | flows      |
        | edge cases        | @edge-cases | edge cases |
