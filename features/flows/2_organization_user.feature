@allure.label.epic:Flows @flow-2
Feature: Flow 2: A member spends what their organisation has allocated to them
  An organisation buys credits and allocates them to its members. Each member spends from their own allocation,
  never from their own credits or from another member's allocation. The admin sees who spent what.

  A colleague is a user who is not a member yet. A stranger is a user who belongs to no organisation.

  Background:
    Given these prices in credits for 100 tokens
      | model           | credits |
      | GPT-3.5-turbo   | 9       |
      | GPT-4           | 48      |
      | GPT-4-turbo     | 24      |
      | Claude-3-Sonnet | 15      |

  Rule: The whole flow works in the plan's order

    @journey @A2 @F2.P1 @F2.P2 @F2.P3 @F2.P4 @F2.P5 @F2.S1 @F2.S2 @F2.S3 @F2.S4 @F2.S5 @F2.S6 @F2.S7 @F2.S8 @F2.S9 @F2.S10 @F2.S11 @critical
    Scenario: An organisation from its creation to its admin's look at who spent what
      Given an admin on the Platform plan with 5,000 credits
      And a member on the Platform plan with 0 credits
      When the admin creates an organisation
      And the admin purchases 10,000 credits
      And the admin adds the member by e-mail
      And the admin allocates 2,500 credits to the member
      And the member signs in
      And the member sends a GPT-3.5-turbo request that uses 100 tokens
      Then the answer arrives
      And the organisation has 9,991 credits, of which 7,500 are unallocated
      And the member has 2,491 credits of their allocation left
      And the charge of 9 credits names the organisation and the member
      When the member sends a GPT-3.5-turbo request that uses 27,678 tokens and costs 2,491 credits
      Then the answer arrives
      And the member has used 2,500 credits of their allocation
      When the member sends a GPT-3.5-turbo request that uses 100 tokens
      Then the request is refused with 402 "allocation exhausted"
      And the organisation has 7,500 credits, of which 7,500 are unallocated
      When the admin looks at the organisation's usage breakdown
      Then it shows
        | person     | credits | calls |
        | the member | 2,500   | 2     |
      And the member has 0 credits left
      And the admin has 5,000 credits left

  Rule: The admin sets the organisation up

    @F2.P1 @F2.P2 @F2.S1 @EP11 @EP12 @critical
    Scenario: The user who creates an organisation is its admin
      Given an admin on the Platform plan with 0 credits
      When the admin creates an organisation
      Then the admin is listed as its admin
      And the organisation has 0 credits

    @F2.P3 @F2.S2 @EP3 @EP2 @critical
    Scenario: The admin can purchase 10,000 credits
      Given an organisation with 0 credits
      When the admin purchases 10,000 credits
      Then the organisation has 10,000 credits, of which 10,000 are unallocated
      And one purchase of 10,000 credits is on the organisation's account

    @EP3 @normal
    Scenario: A second purchase is added to the first
      Given an organisation with 10,000 credits
      When the admin purchases 500 credits
      Then the organisation has 10,500 credits, of which 10,500 are unallocated

    @F2.S3 @EP13 @critical
    Scenario: The admin can add a member by e-mail
      Given an organisation with 10,000 credits
      And a colleague on the Platform plan with 0 credits
      When the admin adds the colleague by e-mail
      Then the colleague is listed as a member
      And the colleague has 0 credits of their allocation left

    @F2.P4 @F2.S4 @EP4 @EP5 @critical
    Scenario: The admin can allocate 2,500 credits to a member
      Given an organisation with 10,000 credits
      And a member without an allocation
      When the admin allocates 2,500 credits to the member
      Then the member has 2,500 credits of their allocation left
      And the organisation has 10,000 credits, of which 7,500 are unallocated

    @EP4 @normal
    Scenario: A second allocation is added to the first
      Given an organisation with 10,000 credits
      And a member with an allocation of 2,500 credits
      When the admin allocates 500 credits to the member
      Then the member has 3,000 credits of their allocation left
      And the organisation has 10,000 credits, of which 7,000 are unallocated

    @F2.E2 @critical
    Scenario: The admin can allocate all credits, and not one credit more
      Given an organisation with 10,000 credits
      And a member with an allocation of 9,999 credits
      When the admin allocates 2 credits to the member
      Then it is refused with 409 "insufficient unallocated credits"
      When the admin allocates 1 credit to the member
      Then the member has 10,000 credits of their allocation left
      And the organisation has 10,000 credits, of which 0 are unallocated

  Rule: The organisation pays for a member's request from the member's allocation

    @F2.P5 @F2.S5 @F2.S6 @F2.S7 @F2.S8 @F2.E1 @F2.E2 @F2.M1 @critical
    Scenario: A member's small GPT-3.5 request costs the organisation and the allocation nine credits
      Given an organisation with 10,000 credits
      And a member with an allocation of 2,500 credits
      When the member sends a GPT-3.5-turbo request that uses 100 tokens
      Then the answer arrives
      And the answer says that it cost 9 credits and leaves 2,491
      And the organisation has 9,991 credits, of which 7,500 are unallocated
      And the member has 2,491 credits of their allocation left
      And the member has used 9 credits of their allocation
      And one charge of 9 credits is on the member's account
      And the member has 0 credits left

    @F2.E2 @R4 @critical
    Scenario: A member's request does not change another member's allocation
      Given an organisation with 10,000 credits
      And a member with an allocation of 2,500 credits
      And a second member with an allocation of 1,000 credits
      When the member sends a GPT-4 request that uses 100 tokens
      Then the member has 2,452 credits of their allocation left
      And the second member has 1,000 credits of their allocation left
      And no charge is on the second member's account
      And the second member has used 0 of 10,000 calls

    @R4 @critical
    Scenario: A member's request does not change the member's own credits
      Given an organisation with 10,000 credits
      And a member with an allocation of 2,500 credits
      And the member has 700 credits of their own
      When the member sends a GPT-3.5-turbo request that uses 100 tokens
      Then the member has 700 credits left
      And nothing was charged to the member's own credits
      And the organisation has 9,991 credits

    @F2.E1 @normal
    Scenario: The admin spends from their own allocation like every member
      Given an organisation with 10,000 credits
      When the admin allocates 100 credits to the admin
      And the admin sends a GPT-3.5-turbo request that uses 100 tokens
      Then the answer arrives
      And the admin has 91 credits of their allocation left
      And the organisation has 9,991 credits, of which 9,900 are unallocated

    @F1.E2 @normal
    Scenario: A member's call counts against the member's own quota
      Given an organisation with 10,000 credits
      And a member with an allocation of 2,500 credits
      And a second member with an allocation of 1,000 credits
      When the member sends a GPT-3.5-turbo request that uses 100 tokens
      And the second member sends a GPT-3.5-turbo request that uses 100 tokens
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
      When the member sends 2 GPT-3.5-turbo requests that each use 100 tokens
      And the second member sends a GPT-4 request that uses 100 tokens
      Then the organisation's usage breakdown reads
        | person            | credits | calls |
        | the member        | 18      | 2     |
        | the second member | 48      | 1     |

    @A10 @normal
    Scenario: The breakdown does not contain the requests of others
      Given an organisation with 10,000 credits
      And a member with an allocation of 2,500 credits
      And an individual on the Professional plan with 10,000 credits
      When the individual sends a GPT-4 request that uses 100 tokens
      And the member sends a GPT-3.5-turbo request that uses 100 tokens
      Then the organisation's usage breakdown reads
        | person     | credits | calls |
        | the member | 9       | 1     |

  Rule: A member can't exceed the allocation

    @F2.S10 @F2.E4 @F2.M3 @needs.journal @critical
    Scenario: A member who has used up their allocation is refused
      Given an organisation with 10,000 credits
      And a member with an allocation of 18 credits
      When the member sends 2 GPT-3.5-turbo requests that each use 100 tokens
      Then every answer arrives
      When the member sends a GPT-3.5-turbo request that uses 100 tokens
      Then the request is refused with 402 "allocation exhausted"
      And the message asks to contact the organisation's admin
      And the member has 0 credits of their allocation left
      And the organisation has 9,982 credits, of which 9,982 are unallocated
      And the provider was called 2 times for the member

    @F2.S10 @F2.M3 @needs.journal @critical
    Scenario: A request that costs one credit more than the allocation is refused
      Given an organisation with 10,000 credits
      And a member with an allocation of 8 credits
      When the member sends a GPT-3.5-turbo request that uses 100 tokens
      Then the request is refused with 402 "allocation exhausted"
      And the member has 8 credits of their allocation left
      And the organisation has 10,000 credits, of which 9,992 are unallocated
      And no credits are reserved for the member
      And the provider was not called for the member

    @F2.E4 @normal
    Scenario: A refused member can continue after a new allocation
      Given an organisation with 10,000 credits
      And a member with an allocation of 8 credits
      When the member sends a GPT-3.5-turbo request that uses 100 tokens
      Then the request is refused with 402 "allocation exhausted"
      When the admin allocates 1 credit to the member
      And the member sends a GPT-3.5-turbo request that uses 100 tokens
      Then the answer arrives
      And the member has 0 credits of their allocation left

  Rule: Only the admin decides about the organisation's credits and members

    @R4 @critical
    Scenario Outline: A member may not <act>
      Given an organisation with 10,000 credits
      And a member with an allocation of 2,500 credits
      And a colleague on the Platform plan with 0 credits
      When the member tries to <act>
      Then it is refused with 403 Forbidden
      And the organisation has 10,000 credits, of which 7,500 are unallocated
      And the colleague is no member of the organisation

      Examples:
        | act                            |
        | purchase credits               |
        | allocate credits to themselves |
        | add the colleague              |
        | see the usage breakdown        |
        | remove the organisation        |

    @normal
    Scenario Outline: The admin can't <act>
      Given an organisation with 10,000 credits
      And a member with an allocation of 2,500 credits
      And a stranger on the Professional plan with 500 credits
      When the admin tries to <act>
      Then it is refused with <status> <meaning>
      And the organisation has 10,000 credits, of which 7,500 are unallocated

      @EP3
      Examples: Purchases
        | act                    | status | meaning               |
        | purchase 0 credits     | 422    | Unprocessable Content |
        | purchase -5 credits    | 422    | Unprocessable Content |
        | purchase half a credit | 422    | Unprocessable Content |

      @EP4
      Examples: Allocations
        | act                               | status | meaning               |
        | allocate credits to the stranger  | 404    | Not Found             |
        | allocate 0 credits to the member  | 422    | Unprocessable Content |
        | allocate -5 credits to the member | 422    | Unprocessable Content |

      @EP13
      Examples: People
        | act                           | status | meaning               |
        | add the member again          | 409    | Conflict              |
        | give somebody an unknown role | 422    | Unprocessable Content |

      @EP11
      Examples: Plans
        | act                                       | status | meaning               |
        | create an organisation on an unknown tier | 422    | Unprocessable Content |

    @EP12 @normal
    Scenario: A removed organisation no longer pays for its members
      Given an organisation with 10,000 credits
      And a member with an allocation of 2,500 credits
      And the member has 700 credits of their own
      When the admin tries to remove the organisation
      Then nothing is left of the organisation but its movements
      When the member sends a GPT-3.5-turbo request that uses 100 tokens
      Then the answer arrives
      And the member has 691 credits left

    @EP12 @normal
    Scenario Outline: A request for an organisation <which> is refused with <status>
      Given an individual on the Professional plan with 0 credits
      When they look at an organisation <which>
      Then it is refused with <status> <meaning>

      Examples:
        | which               | status | meaning               |
        | that does not exist | 404    | Not Found             |
        | with a malformed id | 422    | Unprocessable Content |

    @F2.S3 @EP13 @critical
    Scenario: A colleague who is invited as admin may do what an admin may
      Given an organisation with 10,000 credits
      And a colleague on the Platform plan with 0 credits
      And a stranger on the Professional plan with 500 credits
      When the admin adds the colleague by e-mail as an admin
      Then the colleague is listed as its admin
      When the colleague tries to do what only an admin may
        | attempt                        |
        | purchase credits               |
        | allocate credits to themselves |
        | add the stranger               |
        | see the usage breakdown        |
      Then each of it succeeds
      And the organisation has 10,100 credits, of which 10,000 are unallocated
      And the stranger is listed as a member
      When the colleague tries to remove the organisation
      Then nothing is left of the organisation but its movements

  Rule: An invitation is for the user whose verified address it names

    @F2.S3 @F2.S6 @EP13 @normal
    Scenario: A colleague who is invited before they have an account is a member once they have one
      Given an organisation with 10,000 credits
      When the admin adds a colleague who has no account yet
      And the colleague creates their account, on the Platform plan
      And the admin allocates 100 credits to the colleague
      And the colleague sends a GPT-3.5-turbo request that uses 100 tokens
      Then the answer arrives
      And the colleague has 91 credits of their allocation left
      And the organisation has 9,991 credits, of which 9,900 are unallocated

    @F2.S3 @F2.S6 @EP13 @normal
    Scenario: A colleague who is invited in capital letters is the same user
      Given an organisation with 10,000 credits
      And a colleague on the Platform plan with 0 credits
      When the admin adds the colleague by e-mail in capital letters
      Then the colleague is listed as a member
      When the admin allocates 100 credits to the colleague's address in capital letters
      And the colleague sends a GPT-3.5-turbo request that uses 100 tokens
      Then the answer arrives
      And the colleague has 91 credits of their allocation left
      When the admin tries to add the colleague
      Then it is refused with 409 Conflict

    @F2.S3 @R4 @critical
    Scenario: Somebody with an unverified address does not take up the invitation of that address
      Given an organisation with 10,000 credits
      And a colleague with an unverified e-mail address, on the Platform plan with 700 credits
      When the admin adds the colleague by e-mail
      And the admin allocates 100 credits to the colleague
      And the colleague sends a GPT-3.5-turbo request that uses 100 tokens
      Then the answer arrives
      And the colleague has 691 credits left
      And the organisation has 10,000 credits, of which 9,900 are unallocated

    @F2.S3 @F2.S6 @normal
    Scenario: A colleague is a member as soon as their address is verified
      Given an organisation with 10,000 credits
      And a colleague with an unverified e-mail address, on the Platform plan with 700 credits
      When the admin adds the colleague by e-mail
      And the admin allocates 100 credits to the colleague
      And the colleague tries to see the organisation
      Then it is refused with 403 Forbidden
      When the colleague's e-mail address is verified
      And the colleague sends a GPT-3.5-turbo request that uses 100 tokens
      Then the answer arrives
      And the colleague has 91 credits of their allocation left
      And the colleague has 700 credits left

  Rule: The organisation's credits and a user's own credits are apart

    @F2.P1 @F2.S2 @F2.E1 @R4 @critical
    Scenario: The admin's own 5,000 credits pay neither for purchases nor for requests
      Given an organisation with 10,000 credits
      And the admin has 5,000 credits of their own
      When the admin purchases 500 credits
      And the admin allocates 100 credits to the admin
      And the admin sends a GPT-3.5-turbo request that uses 100 tokens
      Then the answer arrives
      And the admin has 5,000 credits left
      And nothing was charged to the admin's own credits
      And the admin has 91 credits of their allocation left
      And the organisation has 10,491 credits, of which 10,400 are unallocated

    @F2.S11 @F2.E5 @A10 @EP6 @normal
    Scenario: The breakdown contains the admin's own requests, and no request with a member's own key
      Given an organisation with 10,000 credits
      And a member with an allocation of 2,500 credits
      And the member has stored an OpenRouter key
      When the admin allocates 100 credits to the admin
      And the admin sends a GPT-4 request that uses 100 tokens
      And the member sends a GPT-3.5-turbo request that uses 100 tokens
      And the member sends a GPT-4 request that uses 100 tokens with their own key
      Then the answer arrives
      And the organisation's usage breakdown reads
        | person     | credits | calls |
        | the admin  | 48      | 1     |
        | the member | 9       | 1     |
  Rule: An organisation can have 2,147,483,647 credits, and not one more

    @F2.S2 @EP3 @normal
    Scenario: A purchase beyond the largest number of credits is refused and changes nothing
      Given an organisation with 10,000 credits
      When the admin purchases 2,147,473,648 credits
      Then it is refused with 422 Unprocessable Content
      And the organisation has 10,000 credits, of which 10,000 are unallocated
      When the admin purchases 2,147,483,648 credits
      Then it is refused with 422 Unprocessable Content
      When the admin purchases 2,147,473,647 credits
      Then the organisation has 2,147,483,647 credits, of which 2,147,483,647 are unallocated

  Rule: A member's request that uses more than was estimated takes at most what is left of the allocation

    @F2.S8 @F2.E2 @needs.journal @critical
    Scenario: A member's long answer takes the rest of the allocation and nothing of the organisation's other credits
      Given an organisation with 10,000 credits
      And a member with an allocation of 15 credits
      When the member sends a GPT-3.5-turbo request that is estimated at 100 tokens and uses 250
      Then the answer arrives
      And the answer says that it cost 15 credits and leaves 0
      And the member has 0 credits of their allocation left
      And the organisation has 9,985 credits, of which 9,985 are unallocated
      And one charge of 15 credits is on the member's account
      And no credits are reserved for the member

  Rule: Whatever organisations and their members do, every answer and every charge is as agreed

    @normal
    Scenario: Histories that nobody wrote leave organisations and their members with what they should have
      When 4 random histories of organisations and their members happen, made of the seed 1
      Then every answer and every charge of them is as agreed
