@allure.label.epic:Qualities @qualities @exclusive @N4
Feature: Resilience: when a service fails, users get a clear answer and pay what they should
  Services fail while users work. A user then gets an answer or a refusal that says what to do, never an unexplained
  failure. Nobody pays for what they did not get. When the service is back, everything works again by itself, and every
  system agrees with the ledger.

  Background:
    Given these prices in credits for 100 tokens
      | model         | credits |
      | GPT-3.5-turbo | 9       |

  Rule: What users notice while a service is away is what the platform promises

    @R6 @normal
    Scenario: Without Redis the quota still holds
      Given a trial user on the Trial plan with 1,000 credits
      And they have already made 698 calls this month
      And Redis is away
      When they send 4 GPT-3.5-turbo requests that each use 100 tokens
      Then 2 answers arrive and 2 are refused with 429 "quota exceeded"
      When Redis is back
      Then soon Ops-Center reports Redis as up
      And they have used 700 of 700 calls
      And they have 982 credits left

    @R6 @normal
    Scenario: Without Lago requests are answered, and each of them is billed once when Lago is back
      Given an individual on the Professional plan with 1,000 credits
      And Lago is away
      When they send 3 GPT-3.5-turbo requests that each use 100 tokens
      Then every answer arrives
      And they have 973 credits left
      When Lago is back
      Then soon Lago bills them for 3 calls this month

    @R6 @needs.journal @normal
    Scenario: Without LiteLLM a request is refused with a clear message, and costs nothing
      Given an individual on the Professional plan with 1,000 credits
      And LiteLLM is away
      When they send a GPT-3.5-turbo request that uses 100 tokens
      Then the request is refused with 502 "provider error"
      And the refusal is a clear sentence that shows no internals
      And the message says that nothing was charged
      And they have 1,000 credits left
      And no credits are reserved for them
      When LiteLLM is back
      And they send a GPT-3.5-turbo request that uses 100 tokens
      Then the answer arrives
      And the provider was called 1 time for them

    @R6 @normal
    Scenario: Without PostgreSQL a request is refused with a clear message, and nothing is charged
      Given an individual on the Professional plan with 1,000 credits
      When they sign in
      And PostgreSQL goes away
      And they send a GPT-3.5-turbo request that uses 100 tokens
      Then the request is refused with 503 "service unavailable"
      And the refusal is a clear sentence that shows no internals
      When PostgreSQL is back
      Then soon Ops-Center reports PostgreSQL as up
      And they have 1,000 credits left
      When they send a GPT-3.5-turbo request that uses 100 tokens
      Then the answer arrives
      And soon they have used 1 of 10,000 calls

    @R6 @normal
    Scenario: Without Keycloak a user who has signed in goes on working
      Given an individual on the Professional plan with 1,000 credits
      When they sign in
      And they send a GPT-3.5-turbo request that uses 100 tokens
      And Keycloak goes away
      And they send a GPT-3.5-turbo request that uses 100 tokens
      Then the answer arrives
      And they have 982 credits left
      When Keycloak is back
      Then soon Ops-Center reports Keycloak as up

    @R6 @normal
    Scenario: Without Redis and Lago at the same time no limit is open and no event is lost
      Given a trial user on the Trial plan with 1,000 credits
      And they have already made 699 calls this month
      And Redis is away
      And Lago is away
      When they send 2 GPT-3.5-turbo requests that each use 100 tokens
      Then 1 answer arrives and 1 is refused with 429 "quota exceeded"
      When Redis is back
      And Lago is back
      Then soon Lago bills them for 1 call this month
      And they have used 700 of 700 calls
