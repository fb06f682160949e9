@allure.label.epic:Platform
Feature: Platform: Lago knows every customer, plan and call
  Lago does the billing. The subscription decides about the quota, each counted call arrives there as one event,
  and a plan that is paid in advance leads to an invoice.

  Rule: A subscriber is a customer with an active subscription

    @T7 @T8 @I4 @F1.P2 @critical
    Scenario: A Professional subscriber is a customer with one active Professional subscription
      Given an individual on the Professional plan with 10,000 credits
      Then Lago knows them as a customer by the same id
      And Lago has one active Professional subscription for them
      And lago's tables contain one customer and one active subscription of theirs

    @T9 @I4 @critical
    Scenario: A plan that is paid in advance leads to an invoice over its price
      Given an individual on the Professional plan with 10,000 credits
      Then soon Lago has one finalized invoice for them
      And lago's tables contain one finalized invoice of theirs
      And the invoice is over 49 dollars, the price of the Professional plan

    @I4 @F1.P4 @normal
    Scenario: The subscription decides about the plan, whatever is written elsewhere
      Given an individual on the Starter plan, whom Keycloak lists as Enterprise and the credits table as Professional
      When they sign in
      Then their plan is Starter
      And they have used 0 of 1,000 calls

  Rule: Each counted call is one event

    @I4 @F1.E2 @critical
    Scenario: A request is one event under its own id, and Lago refuses the event a second time
      Given an individual on the Professional plan with 10,000 credits
      When they send a GPT-3.5-turbo request that uses 100 tokens
      Then soon Lago has an event for their request
      And soon Lago bills them for 1 call this month
      And Lago refuses the same event a second time

    @I4 @normal
    Scenario: A request with the user's own key is an event too
      Given a BYOK user on the Professional plan with 1,000 credits
      And they have stored an OpenRouter key
      When they send a GPT-3.5-turbo request that uses 100 tokens with their own key
      Then soon Lago has an event for their request

    @I4 @needs.journal @normal
    Scenario: A request that the provider can't answer is an event too
      Given an individual on the Professional plan with 10,000 credits
      And for them the provider answers with a server error
      When they send a GPT-3.5-turbo request that uses 100 tokens
      Then the request is refused with 502 "provider error"
      And soon Lago has an event for their request

    @I4 @A10 @normal
    Scenario: A member's request is an event of the member's own subscription
      Given an organisation with 10,000 credits
      And a member with an allocation of 2,500 credits
      When the member sends a GPT-3.5-turbo request that uses 100 tokens
      Then soon Lago has an event for the member's request

    @I4 @normal
    Scenario: A refused request is no event
      Given an individual on the Professional plan with 0 credits
      When they send a GPT-3.5-turbo request that uses 100 tokens
      Then the request is refused with 402 "insufficient credits"
      And Lago receives no event for their request within 1 second

  Rule: A change of the subscription changes the quota within a minute

    @C2.S4 @T8 @A5 @I4 @critical
    Scenario: A user who was refused goes on after an upgrade
      Given a trial user on the Trial plan with 1,000 credits
      And they have already made 700 calls this month
      When they send a GPT-3.5-turbo request that uses 100 tokens
      Then the request is refused with 429 "quota exceeded"
      When they change to the Starter plan
      Then within 60 seconds they have used 700 of 1,000 calls
      When they send a GPT-3.5-turbo request that uses 100 tokens
      Then the answer arrives
      And it says that 299 of 1,000 calls are left until the first of next month
      And Lago has one active Starter subscription for them
      And lago's tables contain one active Starter subscription of theirs

    @F1.E4 @A5 @I4 @normal
    Scenario: A user whose subscription is cancelled has the trial's calls, and none left if they have used more
      Given an individual on the Starter plan with 1,000 credits
      And they have already made 705 calls this month
      When they sign in
      Then they have used 705 of 1,000 calls
      When their subscription is cancelled
      Then within 60 seconds they have used 705 of 700 calls
      And their plan is Trial
      When they send a GPT-3.5-turbo request that uses 100 tokens
      Then the request is refused with 429 "quota exceeded"
      And it says that 0 of 700 calls are left until the first of next month

    @F1.M3 @A5 @I4 @normal
    Scenario: A user whose subscription is cancelled goes on with the trial's calls
      Given an individual on the Professional plan with 1,000 credits
      When they send a GPT-3.5-turbo request that uses 100 tokens
      And their subscription is cancelled
      Then within 60 seconds they have used 1 of 700 calls
      When they send a GPT-3.5-turbo request that uses 100 tokens
      Then the answer arrives
      And it says that 698 of 700 calls are left until the first of next month

    @T8 @A5 @I4 @normal
    Scenario: A smaller plan begins when the month that is paid for is over
      Given an individual on the Professional plan with 1,000 credits
      When they change to the Starter plan
      Then Lago has one active Professional subscription for them
      And the Starter plan follows in Lago when the month that is paid for is over
      And they have used 0 of 10,000 calls

    @F1.E2 @T8 @A5 @I4 @exclusive @critical
    Scenario: A smaller plan's quota applies once the paid month is over, and no earlier month's calls count
      Given an individual on the Professional plan with 1,000 credits
      And they have already made 1,005 calls this month
      When they send a GPT-3.5-turbo request that uses 100 tokens
      And they change to the Starter plan
      Then they have used 1,006 of 10,000 calls
      When the month that is paid for is over
      Then within 60 seconds they have used 0 of 1,000 calls and 0 credits in the month that follows
      And Lago has one active Starter subscription for them
      And lago's tables contain one active Starter subscription of theirs
      When the clock shows the real time again
      Then their plan is Starter
