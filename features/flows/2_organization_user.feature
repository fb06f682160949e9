@allure.label.epic:Credit_flow @flow-2 @A2
Feature: 2 A member spends what their organisation has allocated to them
  An organisation buys credits once and hands them out. Each member spends from their own allocation,
  never from their own purse or from a colleague's, and the admin sees who spent what.

  Background:
    Given these prices in credits for 100 tokens
      | model           | credits |
      | GPT-3.5-turbo   | 9       |
      | GPT-4           | 48      |
      | GPT-4-turbo     | 24      |
      | Claude-3-Sonnet | 15      |

  Rule: The admin sets the organisation up

    @F2.P1 @F2.P2 @F2.S1 @EP11 @EP12 @critical
    Scenario: Whoever creates an organisation is its admin
      Given an admin on the Platform plan with 0 credits
      When the admin creates an organisation
      Then the admin is listed as its admin
      And the organisation has 0 credits

    @F2.P3 @F2.S2 @EP3 @EP2 @critical
    Scenario: The admin purchases 10,000 credits
      Given an organisation with 0 credits
      When the admin purchases 10,000 credits
      Then the organisation has 10,000 credits, of which 10,000 are unallocated
      And one purchase of 10,000 credits is on the organisation's account

    @F2.S2 @normal
    Scenario: Purchases add up
      Given an organisation with 10,000 credits
      When the admin purchases 500 credits
      Then the organisation has 10,500 credits, of which 10,500 are unallocated

    @F2.S3 @EP13 @critical
    Scenario: The admin adds a member by e-mail
      Given an organisation with 10,000 credits
      And a colleague on the Platform plan with 0 credits
      When the admin adds the colleague by e-mail
      Then the colleague is listed as a member
      And the colleague has 0 credits of their allocation left

    @F2.P4 @F2.S4 @EP4 @EP5 @critical
    Scenario: The admin allocates 2,500 credits to a member
      Given an organisation with 10,000 credits
      And a member without an allocation
      When the admin allocates 2,500 credits to the member
      Then the member has 2,500 credits of their allocation left
      And the organisation has 10,000 credits, of which 7,500 are unallocated

    @F2.S4 @normal
    Scenario: A second allocation is added to the first
      Given an organisation with 10,000 credits
      And a member with an allocation of 2,500 credits
      When the admin allocates 500 credits to the member
      Then the member has 3,000 credits of their allocation left
      And the organisation has 10,000 credits, of which 7,000 are unallocated

    @F2.E2 @critical
    Scenario: Everything may be allocated, and not one credit more
      Given an organisation with 10,000 credits
      And a member with an allocation of 9,999 credits
      When the admin allocates 2 credits to the member
      Then it is refused as 409 "insufficient unallocated credits"
      When the admin allocates 1 credit to the member
      Then the member has 10,000 credits of their allocation left
      And the organisation has 10,000 credits, of which 0 are unallocated

  Rule: A member's request is paid by the organisation, from the member's allocation

    @F2.P5 @F2.S5 @F2.S6 @F2.S7 @F2.S8 @F2.E1 @F2.E2 @F2.M1 @critical
    Scenario: A member's GPT-3.5 request takes nine credits from the organisation and from the allocation
      Given an organisation with 10,000 credits
      And a member with an allocation of 2,500 credits
      When the member asks GPT-3.5-turbo a question of 100 tokens
      Then the answer arrives
      And the answer says that it cost 9 credits and leaves 2,491
      And the organisation has 9,991 credits, of which 7,500 are unallocated
      And the member has 2,491 credits of their allocation left
      And the member has used 9 credits of their allocation
      And one charge of 9 credits is on the member's account
      And the member has 0 credits left

    @F2.E2 @R4 @critical
    Scenario: One member's request leaves a colleague's allocation alone
      Given an organisation with 10,000 credits
      And a member with an allocation of 2,500 credits
      And a second member with an allocation of 1,000 credits
      When the member asks GPT-4 a question of 100 tokens
      Then the member has 2,452 credits of their allocation left
      And the second member has 1,000 credits of their allocation left
      And no charge is on the second member's account
      And the second member has used 0 of 10,000 calls

    @F2.P5 @R4 @critical
    Scenario: A member's own credits are never touched
      Given an organisation with 10,000 credits
      And a member with an allocation of 2,500 credits
      And the member holds 700 credits of their own
      When the member asks GPT-3.5-turbo a question of 100 tokens
      Then the member has 700 credits left
      And nothing moved in the member's own purse
      And the organisation has 9,991 credits

    @F2.E1 @normal
    Scenario: The admin spends from an allocation like everybody else
      Given an organisation with 10,000 credits
      When the admin allocates 100 credits to the admin
      And the admin asks GPT-3.5-turbo a question of 100 tokens
      Then the answer arrives
      And the admin has 91 credits of their allocation left
      And the organisation has 9,991 credits, of which 9,900 are unallocated

    @F2.S5 @F2.M1 @normal
    Scenario: A member's call counts against the member's own quota
      Given an organisation with 10,000 credits
      And a member with an allocation of 2,500 credits
      And a second member with an allocation of 1,000 credits
      When the member asks GPT-3.5-turbo a question of 100 tokens
      And the second member asks GPT-3.5-turbo a question of 100 tokens
      Then it says that 9,999 of 10,000 calls are left until the first of next month
      And the member has used 1 of 10,000 calls
      And the second member has used 1 of 10,000 calls
      And the admin has used 0 of 10,000 calls

  Rule: The admin sees who spent what

    @F2.S9 @F2.S11 @F2.E3 @F2.E5 @F2.M2 @A10 @EP6 @critical
    Scenario: The breakdown attributes every credit to the member who spent it
      Given an organisation with 10,000 credits
      And a member with an allocation of 2,500 credits
      And a second member with an allocation of 2,500 credits
      When the member asks GPT-3.5-turbo 2 questions of 100 tokens
      And the second member asks GPT-4 a question of 100 tokens
      Then the organisation's usage breakdown reads
        | person            | credits | calls |
        | the member        | 18      | 2     |
        | the second member | 48      | 1     |

    @A10 @normal
    Scenario: What somebody spends elsewhere is not in the breakdown
      Given an organisation with 10,000 credits
      And a member with an allocation of 2,500 credits
      And an individual on the Professional plan with 10,000 credits
      When the individual asks GPT-4 a question of 100 tokens
      And the member asks GPT-3.5-turbo a question of 100 tokens
      Then the organisation's usage breakdown reads
        | person     | credits | calls |
        | the member | 9       | 1     |

  Rule: A member can't exceed the allocation

    @F2.S10 @F2.E4 @F2.M3 @needs.journal @critical
    Scenario: A member who has used the allocation up is refused
      Given an organisation with 10,000 credits
      And a member with an allocation of 18 credits
      When the member asks GPT-3.5-turbo 2 questions of 100 tokens
      Then every answer arrives
      When the member asks GPT-3.5-turbo a question of 100 tokens
      Then the request is refused as 402 "allocation exhausted"
      And the message asks to turn to the organisation's admin
      And the member has 0 credits of their allocation left
      And the organisation has 9,982 credits, of which 9,982 are unallocated
      And the provider was called 2 times for the member

    @F2.S10 @F2.M3 @needs.journal @critical
    Scenario: A request that costs one credit more than the allocation is refused whole
      Given an organisation with 10,000 credits
      And a member with an allocation of 8 credits
      When the member asks GPT-3.5-turbo a question of 100 tokens
      Then the request is refused as 402 "allocation exhausted"
      And the member has 8 credits of their allocation left
      And the organisation has 10,000 credits, of which 9,992 are unallocated
      And no credits are held for the member
      And the provider was not called for the member

    @F2.E4 @normal
    Scenario: A new allocation lets a blocked member go on
      Given an organisation with 10,000 credits
      And a member with an allocation of 8 credits
      When the member asks GPT-3.5-turbo a question of 100 tokens
      Then the request is refused as 402 "allocation exhausted"
      When the admin allocates 1 credit to the member
      And the member asks GPT-3.5-turbo a question of 100 tokens
      Then the answer arrives
      And the member has 0 credits of their allocation left

  Rule: Only the admin decides about the organisation's money and people

    @F2.S2 @F2.S3 @F2.S4 @F2.S11 @critical
    Scenario Outline: A member may not <act>
      Given an organisation with 10,000 credits
      And a member with an allocation of 2,500 credits
      And a colleague on the Platform plan with 0 credits
      When the member tries to <act>
      Then it is refused as 403 Forbidden
      And the organisation has 10,000 credits, of which 7,500 are unallocated

      Examples:
        | act                                |
        | purchase credits                   |
        | allocate credits to themselves     |
        | add the colleague                  |
        | see the usage breakdown            |
        | remove the organisation            |

    @R4 @EP2 @critical
    Scenario Outline: A stranger may not <act>
      Given an organisation with 10,000 credits
      And a stranger on the Professional plan with 500 credits
      When the stranger tries to <act>
      Then it is refused as 403 Forbidden
      And the organisation has 10,000 credits, of which 10,000 are unallocated

      Examples:
        | act                                |
        | see the organisation               |
        | see the organisation's credits     |
        | see their allocation               |
        | see the usage breakdown            |
        | purchase credits                   |
        | allocate credits to themselves     |
        | remove the organisation            |

    @R4 @EP3 @critical
    Scenario Outline: The admin of another organisation may not <act>
      Given an organisation with 10,000 credits
      And a second organisation with 5,000 credits
      When the second admin tries to <act>
      Then it is refused as 403 Forbidden
      And the organisation has 10,000 credits, of which 10,000 are unallocated

      Examples:
        | act                            |
        | purchase credits               |
        | allocate credits to themselves |
        | remove the organisation        |

    @normal
    Scenario Outline: The admin can't <act>
      Given an organisation with 10,000 credits
      And a member with an allocation of 2,500 credits
      And a stranger on the Professional plan with 500 credits
      When the admin tries to <act>
      Then it is refused as <status> <meaning>
      And the organisation has 10,000 credits, of which 7,500 are unallocated

      @F2.S2
      Examples: Purchases
        | act                               | status | meaning               |
        | purchase 0 credits                | 422    | Unprocessable Content |
        | purchase -5 credits               | 422    | Unprocessable Content |
        | purchase half a credit            | 422    | Unprocessable Content |

      @F2.S4
      Examples: Allocations
        | act                               | status | meaning               |
        | allocate credits to the stranger  | 404    | Not Found             |
        | allocate 0 credits to the member  | 422    | Unprocessable Content |
        | allocate -5 credits to the member | 422    | Unprocessable Content |

      @F2.S3
      Examples: People and plans
        | act                               | status | meaning               |
        | add the member again              | 409    | Conflict              |
        | give somebody an unknown role     | 422    | Unprocessable Content |
        | create one on an unknown tier     | 422    | Unprocessable Content |

    @EP12 @normal
    Scenario: A removed organisation pays for nobody any more
      Given an organisation with 10,000 credits
      And a member with an allocation of 2,500 credits
      And the member holds 700 credits of their own
      When the admin tries to remove the organisation
      Then nothing is left of the organisation but its movements
      When the member asks GPT-3.5-turbo a question of 100 tokens
      Then the answer arrives
      And the member has 691 credits left

    @EP12 @normal
    Scenario Outline: An organisation <which> is answered with <status>
      Given an individual on the Professional plan with 0 credits
      When they look at an organisation <which>
      Then it is refused as <status> <meaning>

      Examples:
        | which               | status | meaning               |
        | that does not exist | 404    | Not Found             |
        | by a malformed id   | 422    | Unprocessable Content |

  Rule: A member of several organisations says which one pays

    @R4 @F2.E1 @critical
    Scenario: The organisation that is named pays, the other does not
      Given an organisation with 10,000 credits
      And a second organisation with 5,000 credits
      And a member of both with an allocation of 1,000 credits in each
      When the member asks GPT-3.5-turbo a question of 100 tokens in the name of the second organisation
      Then the answer arrives
      And the second organisation has 4,991 credits, of which 4,000 are unallocated
      And the organisation has 10,000 credits, of which 9,000 are unallocated
      And the organisation's usage breakdown reads
        | person     | credits | calls |
        | the member | 0       | 0     |

    @R4 @F2.E1 @needs.journal @normal
    Scenario: Without a name the request is refused and nobody pays
      Given an organisation with 10,000 credits
      And a second organisation with 5,000 credits
      And a member of both with an allocation of 1,000 credits in each
      When the member asks GPT-3.5-turbo a question of 100 tokens
      Then the request is refused as 400 "organization required"
      And the organisation has 10,000 credits
      And the second organisation has 5,000 credits
      And the provider was not called for the member

    @R4 @F2.E1 @EP9 @needs.journal @critical
    Scenario: Nobody can name an organisation that they are no member of
      Given an organisation with 10,000 credits
      And a second organisation with 5,000 credits
      And a member with an allocation of 2,500 credits
      When the member asks GPT-3.5-turbo a question of 100 tokens in the name of the second organisation
      Then the request is refused as 403 Forbidden
      And the second organisation has 5,000 credits
      And the member has 2,500 credits of their allocation left
      And the provider was not called for the member
