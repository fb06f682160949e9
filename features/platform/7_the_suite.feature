@allure.label.epic:Platform
Feature: The suite itself: It begins only where it can judge, and says where to look
  The plan also asks something of its tests: one command runs everything, services and tables are checked before,
  the users are made for each test, and a failure says where to look first. This feature tests the suite, not the product.

  Rule: A run begins only if every service and every table is there

    @X3 @critical
    Scenario: A run does not begin while services are away, and it names each of them
      When a run is started while every service is away
      Then it ends with status 2 before its first scenario
      And it names Keycloak, PostgreSQL, Redis, Lago, LiteLLM and Ops-Center as away, with what to try next

    @X4 @critical
    Scenario: A run does not begin without the tables of unicorn_db, and it names each of them
      When a run is started on a database without the tables of unicorn_db
      Then it ends with status 2 before its first scenario
      And it names each table that is missing
        | table                |
        | organizations        |
        | organization_members |
        | organization_credits |
        | user_credits         |
        | credit_transactions  |
        | usage_tracking       |

  Rule: One command runs everything, and each part can be run alone

    @X1 @critical
    Scenario: One command selects every scenario
      When the suite is asked what it would run
      Then it would run every scenario of the suite and no other

    @X2 @critical
    Scenario Outline: The plan's <flow> can be run alone
      When the suite is asked what it would run for <tag>
      Then it would run every scenario of <part> and no other

      Examples:
        | flow              | tag         | part           |
        | individual flow   | @flow-1     | flow 1         |
        | organisation flow | @flow-2     | flow 2         |
        | BYOK flow         | @flow-3     | flow 3         |
        | edge cases        | @edge-cases | the edge cases |

  Rule: Nobody has to make users by hand

    @X5 @I1 @critical
    Scenario: The users of a scenario are made for it and can sign in
      Given an individual on the Professional plan with 10,000 credits
      When they sign in
      Then Keycloak knows them by their user id
      And Lago knows them as a customer by the same id

  Rule: A failed check says where to look first

    @H1 @critical
    Scenario: The hint for an unknown user says that Keycloak has no such user
      When an unknown user tries to sign in
      Then Keycloak refuses the sign-in
      And the hint says that Keycloak answers but has no such user

    @H1 @normal
    Scenario: The hint for a wrong password says that the user exists
      Given an individual on the Professional plan with 10,000 credits
      When they try to sign in with a wrong password
      Then Keycloak refuses the sign-in
      And the hint says that Keycloak answers and the user exists

    @H2 @needs.journal @critical
    Scenario: The message about credits that were not deducted names the credit middleware
      Given an individual on the Professional plan with 10,000 credits
      And the provider has answered them once without Ops-Center
      When the suite checks that they have 9,991 credits left
      Then the check fails
      And its message names the individual, 10,000 found and 9,991 expected
      And its message says that the credit middleware may be off

    @H3 @critical
    Scenario: The message about missing organisation credits names the missing purchase
      Given an organisation with 0 credits
      When the suite checks that the organisation has 10,000 credits
      Then the check fails
      And its message says that nothing was purchased for the organisation

    @H4 @critical
    Scenario Outline: The hint for a key that is not detected says that <hint>
      Given a BYOK user on the Professional plan with 1,000 credits
      And they have stored <stored>
      When the suite looks up why their key is not detected
      Then the hint says that <hint> for their user id

      Examples:
        | stored            | hint                          |
        | nothing           | no key is stored              |
        | an OpenRouter key | a key of openrouter is stored |
