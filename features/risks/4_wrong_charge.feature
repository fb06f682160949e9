@allure.label.epic:Risks
Feature: Risk 4: The wrong user or organisation is never charged
  Users and organisations pay only for their own requests. Nobody can spend the credits of others.

  A neighbour is another user who has nothing to do with the individual.
  A stranger is a user who belongs to no organisation.

  Background:
    Given these prices in credits for 100 tokens
      | model         | credits |
      | GPT-3.5-turbo | 9       |
      | GPT-4         | 48      |

  Rule: A user's request changes nothing for another user

    @R4 @critical
    Scenario: An individual's request does not change a neighbour's credits or calls
      Given an individual on the Professional plan with 10,000 credits
      And a neighbour on the Professional plan with 500 credits
      When the individual sends a GPT-4 request that uses 100 tokens
      Then the individual has 9,952 credits left
      And the neighbour has 500 credits left
      And no charge is on the neighbour's account
      And the neighbour has used 0 of 10,000 calls
      And the neighbour's usage page shows 0 credits spent since the first of the month

    @EP8 @R4 @normal
    Scenario: The history does not show the requests of others
      Given an individual on the Professional plan with 10,000 credits
      And a neighbour on the Professional plan with 500 credits
      When the individual sends a GPT-3.5-turbo request that uses 100 tokens
      And the neighbour looks at their history, 50 entries from the first on
      Then it shows 0 of 0 entries

    @I5 @needs.journal @normal
    Scenario: A provider error for one user does not affect another user
      Given an individual on the Professional plan with 10,000 credits
      And a neighbour on the Professional plan with 500 credits
      And for the individual the provider answers with a server error
      When the individual sends a GPT-3.5-turbo request that uses 100 tokens
      Then the request is refused with 502 "provider error"
      When the neighbour sends a GPT-3.5-turbo request that uses 100 tokens
      Then the answer arrives
      And the neighbour has 491 credits left

  Rule: Nobody outside an organisation sees it or changes it

    @R4 @critical
    Scenario Outline: A stranger may not <act>
      Given an organisation with 10,000 credits
      And a stranger on the Professional plan with 500 credits
      When the stranger tries to <act>
      Then it is refused with 403 Forbidden
      And the organisation has 10,000 credits, of which 10,000 are unallocated

      Examples:
        | act                            |
        | see the organisation           |
        | see the organisation's credits |
        | see their allocation           |
        | see the usage breakdown        |
        | purchase credits               |
        | allocate credits to themselves |
        | remove the organisation        |

    @R4 @critical
    Scenario Outline: The admin of another organisation may not <act>
      Given an organisation with 10,000 credits
      And a second organisation with 5,000 credits
      When the second admin tries to <act>
      Then it is refused with 403 Forbidden
      And the organisation has 10,000 credits, of which 10,000 are unallocated

      Examples:
        | act                            |
        | purchase credits               |
        | allocate credits to themselves |
        | remove the organisation        |

  Rule: A member of two organisations chooses which one pays

    @R4 @F2.E1 @critical
    Scenario: The organisation that the request names pays, and the other one does not
      Given an organisation with 10,000 credits
      And a second organisation with 5,000 credits
      And a member of both with an allocation of 1,000 credits in each
      When the member sends a GPT-3.5-turbo request that uses 100 tokens on behalf of the second organisation
      Then the answer arrives
      And the second organisation has 4,991 credits, of which 4,000 are unallocated
      And the organisation has 10,000 credits, of which 9,000 are unallocated
      And the organisation's usage breakdown reads
        | person     | credits | calls |
        | the member | 0       | 0     |

    @R4 @F2.E1 @needs.journal @normal
    Scenario: A request that names neither of two organisations is refused, and nobody pays
      Given an organisation with 10,000 credits
      And a second organisation with 5,000 credits
      And a member of both with an allocation of 1,000 credits in each
      When the member sends a GPT-3.5-turbo request that uses 100 tokens
      Then the request is refused with 400 "organization required"
      And the organisation has 10,000 credits
      And the second organisation has 5,000 credits
      And the provider was not called for the member

    @R4 @F2.E1 @EP9 @needs.journal @critical
    Scenario: A request on behalf of an organisation is refused if the user is not its member
      Given an organisation with 10,000 credits
      And a second organisation with 5,000 credits
      And a member with an allocation of 2,500 credits
      When the member sends a GPT-3.5-turbo request that uses 100 tokens on behalf of the second organisation
      Then the request is refused with 403 Forbidden
      And the second organisation has 5,000 credits
      And the member has 2,500 credits of their allocation left
      And the provider was not called for the member

    @R4 @EP9 @normal
    Scenario Outline: A request on behalf of an organisation <which> is refused with <status>
      Given an individual on the Professional plan with 1,000 credits
      When they send a GPT-3.5-turbo request that uses 100 tokens on behalf of an organisation <which>
      Then it is refused with <status> <meaning>
      And they have 1,000 credits left

      Examples:
        | which               | status | meaning               |
        | that does not exist | 403    | Forbidden             |
        | with a malformed id | 422    | Unprocessable Content |

  Rule: A user is the account that they sign in to, and not an e-mail address

    @R4 @F2.S6 @normal
    Scenario: A member who changes their e-mail address keeps their allocation
      Given an organisation with 10,000 credits
      And a member with an allocation of 2,500 credits
      When the member sends a GPT-3.5-turbo request that uses 100 tokens
      And the member changes their e-mail address
      And the member sends a GPT-3.5-turbo request that uses 100 tokens
      Then the answer arrives
      And the member has 2,482 credits of their allocation left
      And the organisation has 9,982 credits, of which 7,500 are unallocated

    @R4 @normal
    Scenario: Somebody with another address than the invitation's does not take it up
      Given an organisation with 1,000 credits
      And a colleague on the Platform plan with 700 credits
      When the admin adds the colleague by e-mail
      And the admin allocates 100 credits to the colleague
      And the colleague changes their e-mail address
      And the colleague sends a GPT-3.5-turbo request that uses 100 tokens
      Then the answer arrives
      And the colleague has 691 credits left
      And the organisation has 1,000 credits, of which 900 are unallocated

    @R4 @normal
    Scenario: Storing a key of their own takes nobody's invitation up
      Given an organisation with 1,000 credits
      And a colleague on the Platform plan with 700 credits
      When the admin adds the colleague by e-mail
      And the admin allocates 100 credits to the colleague
      And the colleague stores an OpenRouter key
      And the colleague changes their e-mail address
      And the colleague sends a GPT-3.5-turbo request that uses 100 tokens
      Then the answer arrives
      And the colleague has 691 credits left
      And the organisation has 1,000 credits, of which 900 are unallocated

    @R4 @critical
    Scenario: Somebody who gets a member's former address does not become a member
      Given an organisation with 10,000 credits
      And a member with an allocation of 2,500 credits
      And a stranger on the Professional plan with 500 credits
      When the member sends a GPT-3.5-turbo request that uses 100 tokens
      And the member changes their e-mail address
      And the stranger gets the member's former e-mail address
      And the stranger sends a GPT-3.5-turbo request that uses 100 tokens
      Then the answer arrives
      And the stranger has 491 credits left
      And the organisation has 9,991 credits, of which 7,500 are unallocated

    @R4 @I1 @normal
    Scenario: A user without an e-mail address pays with their own credits, and can't create an organisation
      Given an individual without an e-mail address, on the Professional plan with 1,000 credits
      When they send a GPT-3.5-turbo request that uses 100 tokens
      Then the answer arrives
      And they have 991 credits left
      When they try to create an organisation
      Then it is refused with 422 "email required"

    @I1 @normal
    Scenario: A disabled user gets no new token, and their last one ends when it expires
      Given an individual on the Professional plan with 10,000 credits
      When they sign in
      And they sign in for a moment only
      And their account is disabled
      And they try to sign in again
      Then Keycloak refuses the sign-in
      When they send a GPT-3.5-turbo request that uses 100 tokens
      Then the answer arrives
      And their short sign-in is refused with 401 after its end
