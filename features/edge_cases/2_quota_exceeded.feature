@allure.label.epic:Edge_cases @edge-cases
Feature: Case 2: The month's quota is used up
  A plan allows a number of calls a month. The last one is answered. The next one is refused,
  and the refusal says when the quota resets.

  Background:
    Given these prices in credits for 100 tokens
      | model         | credits |
      | GPT-3.5-turbo | 9       |

  Rule: The quota is exactly what the plan says

    @C2.S1 @C2.S2 @C2.S3 @C2.S4 @C2.S5 @C2.E1 @A5 @A8 @R2 @needs.journal @critical
    Scenario: A trial user's 700 requests are answered and the 701st is refused
      Given a trial user on the Trial plan with 10,000 credits
      When they send 700 GPT-3.5-turbo requests that each use 100 tokens
      Then every answer arrives
      And they have used 700 of 700 calls
      And they have 3,700 credits left
      When they send a GPT-3.5-turbo request that uses 100 tokens
      Then the request is refused with 429 "quota exceeded"
      And it says that 0 of 700 calls are left until the first of next month
      And the message names the reset date
      And the provider was called 700 times for them

    @F1.M3 @A5 @A8 @critical
    Scenario Outline: The <plan> plan allows <limit> calls a month
      Given an individual on the <plan> plan with 1,000 credits
      And they have already made <before> calls this month
      When they send a GPT-3.5-turbo request that uses 100 tokens
      Then the answer arrives
      And it says that 0 of <limit> calls are left until the first of next month
      When they send a GPT-3.5-turbo request that uses 100 tokens
      Then the request is refused with 429 "quota exceeded"
      And they have used <limit> of <limit> calls

      Examples:
        | plan         | limit  | before |
        | Trial        | 700    | 699    |
        | Starter      | 1,000  | 999    |
        | Professional | 10,000 | 9,999  |
        | Platform     | 10,000 | 9,999  |

    @F1.M3 @A5 @A8 @needs.journal @normal
    Scenario: A user without a subscription has the trial's 700 calls
      Given an individual without a subscription, with 1,000 credits
      And they have already made 700 calls this month
      When they send a GPT-3.5-turbo request that uses 100 tokens
      Then the request is refused with 429 "quota exceeded"
      And they have used 700 of 700 calls
      And the provider was not called for them

    @F1.M3 @normal
    Scenario: The Enterprise plan has no quota
      Given an individual on the Enterprise plan with 1,000 credits
      And they have already made 10,001 calls this month
      When they send a GPT-3.5-turbo request that uses 100 tokens
      Then the answer arrives
      And they have used 10,002 calls, without a limit

  Rule: Only what was sent in this month counts

    @F1.E2 @critical
    Scenario: Last month's calls do not count
      Given a trial user on the Trial plan with 1,000 credits
      And they made 700 calls last month
      When they send a GPT-3.5-turbo request that uses 100 tokens
      Then the answer arrives
      And they have used 1 of 700 calls

    @F1.E2 @F1.E4 @A8 @normal
    Scenario: A request that is refused for lack of credits uses no call
      Given a trial user on the Trial plan with 8 credits
      When they send a GPT-3.5-turbo request that uses 100 tokens
      Then the request is refused with 402 "insufficient credits"
      And it says that 700 of 700 calls are left until the first of next month
      And they have used 0 of 700 calls

    @F1.E2 @F1.E4 @A8 @normal
    Scenario: A request for an unknown model uses no call
      Given a trial user on the Trial plan with 1,000 credits
      When they send a request for a model that is not on offer
      Then it is refused with 422 Unprocessable Content
      And it says that 700 of 700 calls are left until the first of next month
      And they have used 0 of 700 calls

    @F1.E2 @needs.journal @normal
    Scenario: A request that the provider can't answer uses a call
      Given a trial user on the Trial plan with 1,000 credits
      And for them the provider answers with a server error
      When they send a GPT-3.5-turbo request that uses 100 tokens
      Then the request is refused with 502 "provider error"
      And they have used 1 of 700 calls
      And they have 1,000 credits left

    @F1.E2 @A5 @A8 @normal
    Scenario: Requests beyond the quota do not change the count
      Given a trial user on the Trial plan with 1,000 credits
      And they have already made 700 calls this month
      When they send 3 GPT-3.5-turbo requests that each use 100 tokens
      Then every request is refused with 429 "quota exceeded"
      And they have used 700 of 700 calls
      And they have 1,000 credits left

  Rule: The quota is the user's own, also where an organisation pays

    @F1.E3 @A5 @R2 @needs.journal @normal
    Scenario: A member without calls is refused for the calls, whatever is left of the allocation
      Given an organisation with 10,000 credits
      And a colleague on the Trial plan with 0 credits
      And the colleague has already made 700 calls this month
      When the admin adds the colleague by e-mail
      And the admin allocates 2,500 credits to the colleague
      And the colleague sends a GPT-3.5-turbo request that uses 100 tokens
      Then the request is refused with 429 "quota exceeded"
      And the message names the reset date
      And the colleague has 2,500 credits of their allocation left
      And the provider was not called for the colleague

  Rule: A request counts in the month in which it begins

    @F1.E2 @A5 @R2 @exclusive @needs.journal @normal
    Scenario: A request that begins in the last second of a month counts in that month
      Given an individual on the Professional plan with 10,000 credits
      And the provider takes 1 second to answer them
      And the last second of the month has begun
      When they send a GPT-3.5-turbo request that uses 100 tokens, and the next month begins before its answer
      Then the answer arrives
      And it says that 9,999 of 10,000 calls are left until the first of next month
      And their call counts in the old month and not in the new one
      When the clock shows the real time again
      Then they have used 1 of 10,000 calls
      And they have 9,991 credits left
