@allure.label.epic:Platform
Feature: Platform: The services behind the credit flow are up
  A verdict about money means something only when every system that takes part is up, is the right one,
  and answers as the flow requires.

  Rule: Every service is up before anything is judged

    @critical
    Scenario Outline: <service> is up
      When the services are asked how they are
      Then <service> is up

      @I1
      Examples: Single sign-on
        | service  |
        | Keycloak |

      @I2
      Examples: The database
        | service    |
        | PostgreSQL |

      @I3
      Examples: The counters
        | service |
        | Redis   |

      @I4
      Examples: Billing
        | service |
        | Lago    |

      @I5
      Examples: The way to the models
        | service |
        | LiteLLM |

      @I6
      Examples: The API
        | service    |
        | Ops-Center |

    @I6 @normal
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
