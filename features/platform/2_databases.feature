@allure.label.epic:Platform
Feature: Platform: The tables record every credit and every call
  The records must be readable without the API. The tables contain what was purchased, allocated, spent and counted,
  and the rows of one request agree with each other.

  Background:
    Given these prices in credits for 100 tokens
      | model         | credits |
      | GPT-3.5-turbo | 9       |

  Rule: Every table of the plan exists

    @critical
    Scenario Outline: unicorn_db has the table <table>
      When the tables of unicorn_db are listed
      Then <table> is there with the columns <columns>

      @T1
      Examples: Organisations
        | table         | columns                                 |
        | organizations | id, name, subscription_tier, created_at |

      @T2
      Examples: Members
        | table                | columns                                                                  |
        | organization_members | id, org_id, user_email, role, allocated_credits, used_credits, joined_at |

      @T3
      Examples: Organisations' credits
        | table                | columns                                             |
        | organization_credits | org_id, total_credits, allocated_credits, updated_at |

      @T4
      Examples: Individuals' credits
        | table        | columns                                                          |
        | user_credits | user_id, credits_remaining, credits_allocated, tier, updated_at |

      @T5
      Examples: Movements of credits
        | table               | columns                                                                |
        | credit_transactions | id, user_id, org_id, amount, transaction_type, description, created_at |

      @T6
      Examples: Counted calls
        | table          | columns                                                                                     |
        | usage_tracking | id, user_id, org_id, request_id, endpoint, model, tokens, credits, byok, status, created_at |

    @critical
    Scenario Outline: lago has the table <table>
      When the tables of lago are listed
      Then <table> is there with the columns <columns>

      @T7
      Examples: Customers
        | table     | columns                     |
        | customers | id, external_id, created_at |

      @T8
      Examples: Subscriptions
        | table         | columns                                       |
        | subscriptions | id, customer_id, plan_id, external_id, status |

      @T9
      Examples: Invoices
        | table    | columns                                                   |
        | invoices | id, customer_id, status, invoice_type, total_amount_cents |

  Rule: The tables record what happened

    @T1 @T2 @T3 @critical
    Scenario: An organisation, its credits and its members are recorded
      Given an organisation with 10,000 credits
      And a member with an allocation of 2,500 credits
      Then unicorn_db records the organisation by its name on the Platform tier
      And unicorn_db records the admin as admin and the member as member
      And the organisation has 10,000 credits, of which 7,500 are unallocated

    @T4 @T5 @T6 @R1 @critical
    Scenario: A grant, a charge and the counted call are recorded, and they agree with each other
      Given an individual on the Professional plan with 10,000 credits
      When they send a GPT-3.5-turbo request that uses 100 tokens
      Then their movements in unicorn_db read
        | kind  | amount |
        | grant | 10,000 |
        | usage | -9     |
      And they have 9,991 credits left
      And one charge of 9 credits is on their account
      And unicorn_db counts one call of theirs with 100 tokens for 9 credits

    @T5 @R4 @critical
    Scenario: A member's charge names both the organisation and the member
      Given an organisation with 10,000 credits
      And a member with an allocation of 2,500 credits
      When the member sends a GPT-3.5-turbo request that uses 100 tokens
      Then the charge of 9 credits names the organisation and the member
