@allure.label.epic:Platform
Feature: Every endpoint of the plan answers in its agreed shape, and only to those who may ask
  Pages and scripts are built on these answers. A missing field, a half credit or an open door breaks them all.

  Background:
    Given these prices in credits for 100 tokens
      | model         | credits |
      | GPT-3.5-turbo | 9       |

  Rule: Nobody gets in without a valid token

    @I1 @critical
    Scenario Outline: <caller> is turned away everywhere
      Given an individual on the Professional plan with 10,000 credits
      When <caller> asks every endpoint
      Then every endpoint refuses them as 401 Unauthorized and asks for a bearer token

      Examples:
        | caller                                  |
        | somebody without a token                |
        | somebody with a made-up token           |
        | somebody with a changed token           |
        | somebody with a token signed by another |
        | somebody with an unsigned token         |
        | somebody with an identity token         |
        | somebody with a token of another client |
        | somebody with a token of another issuer |
        | somebody with an expired token          |

    @A8 @EP9 @needs.journal @normal
    Scenario: Malformed requests are refused and never a server error
      Given an individual on the Professional plan with 10,000 credits
      Then each malformed question is refused as 422 Unprocessable Content
        | what is wrong            |
        | no messages              |
        | an empty list of messages |
        | no model                 |
        | an unknown model         |
        | 0 tokens of answer       |
        | 128,001 tokens of answer |
        | -1 tokens of answer      |
        | no question at all       |
      And they have 10,000 credits left
      And they have used 0 of 10,000 calls
      And the provider was not called for them

  Rule: Individuals

    @EP1 @critical
    Scenario: The balance
      Given an individual on the Professional plan with 10,000 credits
      When they look at their balance
      Then it holds exactly
        | field           | value        |
        | user_id         | their id     |
        | credits         | 10,000       |
        | api_calls_used  | 0            |
        | api_calls_limit | 10,000       |
        | tier            | professional |

    @EP1 @I1 @R4 @critical
    Scenario: Nobody becomes somebody else by saying so
      Given an individual on the Professional plan with 10,000 credits
      And a stranger on the Professional plan with 500 credits
      When the stranger looks at their balance and claims to be the individual
      Then it holds exactly
        | field           | value        |
        | user_id         | their id     |
        | credits         | 500          |
        | api_calls_used  | 0            |
        | api_calls_limit | 10,000       |
        | tier            | professional |

    @EP7 @critical
    Scenario: The usage of the month
      Given an individual on the Professional plan with 10,000 credits
      When they look at their usage
      Then it holds exactly
        | field               | value                    |
        | api_calls_used      | 0                        |
        | api_calls_limit     | 10,000                   |
        | api_calls_remaining | 10,000                   |
        | credits_used        | 0                        |
        | tier                | professional             |
        | period_start        | the first of this month  |
        | reset_date          | the first of next month  |

    @EP8 @critical
    Scenario: The history, a page at a time
      Given an individual on the Professional plan with 10,000 credits
      When they ask GPT-3.5-turbo 4 questions of 100 tokens
      And they look at their history, 2 entries from the second on
      Then it shows 2 of 4 entries
      And they are the second and the third of their whole history
      And every entry is one of their own requests, answered, of 100 tokens for 9 credits

    @EP8 @R4 @normal
    Scenario: Nobody's history shows another's requests
      Given an individual on the Professional plan with 10,000 credits
      And a neighbour on the Professional plan with 500 credits
      When the individual asks GPT-3.5-turbo a question of 100 tokens
      And the neighbour looks at their history, 50 entries from the first on
      Then it shows 0 of 0 entries

    @EP9 @critical
    Scenario: An answer is OpenAI's, with what it cost
      Given an individual on the Professional plan with 10,000 credits
      When they ask GPT-3.5-turbo a question of 100 tokens
      Then the answer arrives
      And the answer has OpenAI's shape
      And the answer says that it cost 9 credits and leaves 9,991

    @EP9 @normal
    Scenario: A streamed answer is OpenAI's too and ends as OpenAI's do
      Given an individual on the Professional plan with 10,000 credits
      When they ask GPT-3.5-turbo a question of 100 tokens as a stream
      Then the answer arrives
      And the answer has OpenAI's shape
      And the answer says that it cost 9 credits and leaves 9,991

  Rule: Organisations

    @EP11 @EP12 @critical
    Scenario: A new organisation
      Given an admin on the Platform plan with 0 credits
      When the admin creates an organisation
      Then it holds at least
        | field             | value    |
        | id                | a UUID   |
        | name              | its name |
        | subscription_tier | platform |
        | created_at        | a time   |

    @EP2 @critical
    Scenario: An organisation's credits are shown to its members
      Given an organisation with 10,000 credits
      And a member with an allocation of 2,500 credits
      When the member looks at the organisation's credits
      Then it holds exactly
        | field               | value                 |
        | org_id              | the organisation's id |
        | total_credits       | 10,000                |
        | allocated_credits   | 2,500                 |
        | unallocated_credits | 7,500                 |

    @EP3 @critical
    Scenario: A purchase
      Given an organisation with 10,000 credits
      When the admin purchases 500 credits
      Then it holds exactly
        | field          | value                 |
        | org_id         | the organisation's id |
        | amount         | 500                   |
        | total_credits  | 10,500                |
        | transaction_id | a UUID                |

    @EP4 @critical
    Scenario: An allocation
      Given an organisation with 10,000 credits
      And a member with an allocation of 2,500 credits
      When the admin allocates 500 credits to the member
      Then it holds exactly
        | field      | value               |
        | user_email | the member's e-mail |
        | allocated  | 3,000               |
        | used       | 0                   |
        | remaining  | 3,000               |

    @EP5 @critical
    Scenario: A member's own allocation
      Given an organisation with 10,000 credits
      And a member with an allocation of 2,500 credits
      When the member looks at their allocation
      Then it holds exactly
        | field     | value |
        | allocated | 2,500 |
        | used      | 0     |
        | remaining | 2,500 |

    @EP6 @normal
    Scenario: A breakdown without usage
      Given an organisation with 10,000 credits
      And a member with an allocation of 2,500 credits
      Then the organisation's usage breakdown reads
        | person     | credits | calls |
        | the member | 0       | 0     |

    @EP13 @critical
    Scenario: An invitation
      Given an organisation with 10,000 credits
      And a colleague on the Platform plan with 0 credits
      When the admin adds the colleague by e-mail
      Then it holds exactly
        | field      | value                  |
        | org_id     | the organisation's id  |
        | user_email | the colleague's e-mail |
        | role       | member                 |

  Rule: The user's own keys

    @EP14 @critical
    Scenario: A stored key
      Given a BYOK user on the Professional plan with 1,000 credits
      When they store an OpenRouter key
      Then it holds exactly
        | field       | value                    |
        | provider    | openrouter               |
        | configured  | yes                      |
        | key_preview | the key's last four      |

    @EP15 @critical
    Scenario: The status of the keys
      Given a BYOK user on the Professional plan with 1,000 credits
      And they have stored an OpenRouter key
      When they look at their keys
      Then it holds at least
        | field                 | value |
        | openrouter_configured | yes   |
      And their settings list an OpenRouter key
