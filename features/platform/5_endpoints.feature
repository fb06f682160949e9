@allure.label.epic:Platform
Feature: Platform: Every endpoint answers in its agreed form, and only to permitted users
  Web pages and scripts depend on these answers. A missing field or a fraction of a credit breaks them,
  and an endpoint without protection gives data away.

  A stranger is another user who has nothing to do with the individual. A colleague is a user who is not a member yet.

  Background:
    Given these prices in credits for 100 tokens
      | model         | credits |
      | GPT-3.5-turbo | 9       |

  Rule: Nobody gets in without a valid token

    @I1 @critical
    Scenario Outline: Every endpoint refuses <caller>
      Given an individual on the Professional plan with 10,000 credits
      When <caller> asks every endpoint
      Then every endpoint refuses them with 401 Unauthorized and asks for a bearer token

      Examples:
        | caller                                        |
        | somebody without a token                      |
        | somebody with a made-up token                 |
        | somebody with a changed token                 |
        | somebody with a token signed by somebody else |
        | somebody with an unsigned token               |
        | somebody with an identity token               |
        | somebody with a token of another client       |
        | somebody with a token of another issuer       |
        | somebody with an expired token                |

    @A8 @EP9 @needs.journal @normal
    Scenario: A malformed request is refused and never leads to a server error
      Given an individual on the Professional plan with 10,000 credits
      Then each malformed request is refused with 422 Unprocessable Content
        | what is wrong                          |
        | no messages                            |
        | an empty list of messages              |
        | no model                               |
        | an unknown model                       |
        | 0 tokens of answer                     |
        | 128,001 tokens of answer               |
        | -1 tokens of answer                    |
        | -1 tokens of answer by the newer limit |
        | -1 answers                             |
        | no content at all                      |
      And they have 10,000 credits left
      And they have used 0 of 10,000 calls
      And the provider was not called for them

  Rule: Users see their own balance, usage, history and answers

    @EP1 @critical
    Scenario: The balance shows the credits, the calls and the plan
      Given an individual on the Professional plan with 10,000 credits
      When they look at their balance
      Then it contains exactly
        | field           | value        |
        | user_id         | their id     |
        | credits         | 10,000       |
        | api_calls_used  | 0            |
        | api_calls_limit | 10,000       |
        | tier            | professional |

    @EP1 @I1 @R4 @critical
    Scenario: A user who claims to be another user gets their own balance
      Given an individual on the Professional plan with 10,000 credits
      And a stranger on the Professional plan with 500 credits
      When the stranger looks at their balance and claims to be the individual
      Then it contains exactly
        | field           | value        |
        | user_id         | their id     |
        | credits         | 500          |
        | api_calls_used  | 0            |
        | api_calls_limit | 10,000       |
        | tier            | professional |

    @EP7 @critical
    Scenario: The usage shows the calls and the credits of the month
      Given an individual on the Professional plan with 10,000 credits
      When they look at their usage
      Then it contains exactly
        | field               | value                   |
        | api_calls_used      | 0                       |
        | api_calls_limit     | 10,000                  |
        | api_calls_remaining | 10,000                  |
        | credits_used        | 0                       |
        | tier                | professional            |
        | period_start        | the first of this month |
        | reset_date          | the first of next month |

    @EP8 @critical
    Scenario: The history can be read page by page
      Given an individual on the Professional plan with 10,000 credits
      When they send 4 GPT-3.5-turbo requests that each use 100 tokens
      And they look at their history, 2 entries from the second on
      Then it shows 2 of 4 entries
      And they are the second and the third of their whole history
      And every entry is one of their own requests, answered, of 100 tokens for 9 credits

    @EP9 @critical
    Scenario: An answer has OpenAI's form and says what it cost
      Given an individual on the Professional plan with 10,000 credits
      When they send a GPT-3.5-turbo request that uses 100 tokens
      Then the answer arrives
      And the answer has OpenAI's form
      And the answer says that it cost 9 credits and leaves 9,991

    @EP9 @F1.E4 @normal
    Scenario: A streamed answer has OpenAI's form too and says what it cost
      Given an individual on the Professional plan with 10,000 credits
      When they send a streamed GPT-3.5-turbo request that uses 100 tokens
      Then the answer arrives
      And the answer has OpenAI's form
      And the answer says that it cost 9 credits and leaves 9,991
      And it says that 9,999 of 10,000 calls are left until the first of next month

  Rule: Admins and members see what they change in an organisation

    @EP11 @critical
    Scenario: A new organisation has an id, a name, a tier and a date
      Given an admin on the Platform plan with 0 credits
      When the admin creates an organisation
      Then it contains at least
        | field             | value    |
        | id                | a UUID   |
        | name              | its name |
        | subscription_tier | platform |
        | created_at        | a time   |

    @EP2 @critical
    Scenario: A member sees the organisation's credits
      Given an organisation with 10,000 credits
      And a member with an allocation of 2,500 credits
      When the member looks at the organisation's credits
      Then it contains exactly
        | field               | value                 |
        | org_id              | the organisation's id |
        | total_credits       | 10,000                |
        | allocated_credits   | 2,500                 |
        | unallocated_credits | 7,500                 |

    @EP12 @critical
    Scenario: A member sees the organisation and its people
      Given an organisation with 10,000 credits
      And a member with an allocation of 2,500 credits
      When the member sends a GPT-3.5-turbo request that uses 100 tokens
      And the member looks at the organisation
      Then it contains at least
        | field             | value                 |
        | id                | the organisation's id |
        | name              | its name              |
        | subscription_tier | platform              |
        | created_at        | a time                |
      And it lists exactly these people
        | person     | role   | allocated | used |
        | the admin  | admin  | 0         | 0    |
        | the member | member | 2,500     | 9    |

    @EP3 @critical
    Scenario: A purchase shows its amount and the new total
      Given an organisation with 10,000 credits
      When the admin purchases 500 credits
      Then it contains exactly
        | field          | value                 |
        | org_id         | the organisation's id |
        | amount         | 500                   |
        | total_credits  | 10,500                |
        | transaction_id | a UUID                |

    @EP4 @critical
    Scenario: An allocation shows what is allocated, used and remaining
      Given an organisation with 10,000 credits
      And a member with an allocation of 2,500 credits
      When the admin allocates 500 credits to the member
      Then it contains exactly
        | field      | value               |
        | user_email | the member's e-mail |
        | allocated  | 3,000               |
        | used       | 0                   |
        | remaining  | 3,000               |

    @EP5 @critical
    Scenario: A member sees their own allocation
      Given an organisation with 10,000 credits
      And a member with an allocation of 2,500 credits
      When the member looks at their allocation
      Then it contains exactly
        | field     | value |
        | allocated | 2,500 |
        | used      | 0     |
        | remaining | 2,500 |

    @EP6 @normal
    Scenario: The usage breakdown lists a member who has used nothing
      Given an organisation with 10,000 credits
      And a member with an allocation of 2,500 credits
      Then the organisation's usage breakdown reads
        | person     | credits | calls |
        | the member | 0       | 0     |

    @EP13 @critical
    Scenario: An invitation shows the organisation, the e-mail and the role
      Given an organisation with 10,000 credits
      And a colleague on the Platform plan with 0 credits
      When the admin adds the colleague by e-mail
      Then it contains exactly
        | field      | value                  |
        | org_id     | the organisation's id  |
        | user_email | the colleague's e-mail |
        | role       | member                 |

  Rule: Users see that their own keys are stored

    @EP14 @critical
    Scenario: A stored key shows its provider and its last four characters
      Given a BYOK user on the Professional plan with 1,000 credits
      When they store an OpenRouter key
      Then it contains exactly
        | field       | value               |
        | provider    | openrouter          |
        | configured  | yes                 |
        | key_preview | the key's last four |

    @EP15 @critical
    Scenario: The settings say that an OpenRouter key is configured
      Given a BYOK user on the Professional plan with 1,000 credits
      And they have stored an OpenRouter key
      When they look at their keys
      Then it contains at least
        | field                 | value |
        | openrouter_configured | yes   |
      And their settings list an OpenRouter key

  Rule: Users who page through their history see every entry exactly once

    @EP8 @normal
    Scenario: Entries of the same moment are neither repeated nor left out
      Given an individual on the Professional plan with 10,000 credits
      And they have already made 7 calls this month
      When they page through their history, 2 entries at a time
      Then they see each of 7 entries exactly once

    @EP8 @normal
    Scenario: New requests do not shift the pages of a user who is reading
      Given an individual on the Professional plan with 10,000 credits
      And they have already made 5 calls this month
      When they page through their history, 2 entries at a time, and send a GPT-3.5-turbo request after each page
      Then they see each of 5 entries exactly once

    @EP8 @needs.journal @normal
    Scenario: A request that ends while its user reads is on none of the pages
      Given an individual on the Professional plan with 10,000 credits
      And they have already made 5 calls this month
      And the provider takes 1 second to answer them
      When they page through their history, 2 entries at a time, and a GPT-3.5-turbo request that is under way ends after the first page
      Then they see each of 5 entries exactly once

  Rule: A stream reports its tokens exactly to those who ask

    @EP9 @normal
    Scenario: A client that asks for the usage of a stream gets it once, at its end
      Given an individual on the Professional plan with 10,000 credits
      When they send a streamed GPT-3.5-turbo request that uses 100 tokens and asks for the usage
      Then the answer arrives
      And the stream ends with one report of 100 tokens
      And the answer says that it cost 9 credits and leaves 9,991

    @EP9 @R1 @needs.journal @critical
    Scenario Outline: A client that <asking> gets none, and pays all the same
      Given an individual on the Professional plan with 10,000 credits
      When they send a streamed GPT-3.5-turbo request that uses 100 tokens and <asking>
      Then the answer arrives
      And no part of the stream reports tokens
      And the answer says that it cost 9 credits and leaves 9,991
      And one charge of 9 credits is on their account

      Examples:
        | asking                     |
        | does not ask for the usage |
        | switches the usage off     |

  Rule: Only what OpenAI defines is passed on to the provider

    @EP9 @I5 @R4 @needs.journal @critical
    Scenario: What OpenAI does not define is kept from the provider
      Given an individual on the Professional plan with 10,000 credits
      Then each of these additions to a request is kept from the provider
        | addition                           |
        | the address of another provider    |
        | the key of another account         |
        | another model to fall back to      |
        | a body of its own for the provider |
        | a field that OpenAI does not know  |
      And they have 9,955 credits left
      And 5 charges of 9 credits are on their account
      And the provider was called 5 times for them
