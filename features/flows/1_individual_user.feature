@allure.label.epic:Flows @flow-1
Feature: Flow 1: An individual pays for LLM requests with their own credits
  A user with a Professional subscription spends platform credits, one request at a time.
  They see at once what each request cost. When the month's quota is used up, they are stopped.

  10,000 credits pay for 1,111 requests of 9 credits. The credits therefore end long before the quota of 10,000 calls:
  request 1,112 is refused for lack of credits. Both ends are shown. Where a scenario speaks of calls that they have
  made already, these calls cost nothing.

  Background:
    Given these prices in credits for 100 tokens
      | model           | credits |
      | GPT-3.5-turbo   | 9       |
      | GPT-4           | 48      |
      | GPT-4-turbo     | 24      |
      | Claude-3-Sonnet | 15      |

  Rule: The whole flow works in the plan's order

    @journey @A1 @F1.P1 @F1.P2 @F1.P3 @F1.P4 @F1.S1 @F1.S2 @F1.S3 @F1.S4 @F1.S5 @F1.S6 @F1.S7 @F1.S8 @critical
    Scenario: A Professional subscriber's month, from the sign-in to the refusal beyond the quota
      Given an individual on the Professional plan with 10,000 credits
      When they sign in
      Then they have 10,000 credits left
      And they have used 0 of 10,000 calls
      When they send a GPT-3.5-turbo request that uses 100 tokens
      Then the answer arrives
      And they have 9,991 credits left
      And they have used 1 of 10,000 calls
      When they make 9,998 more calls this month, which cost nothing
      Then they have used 9,999 of 10,000 calls
      When they send a GPT-3.5-turbo request that uses 100 tokens
      Then the answer arrives
      And it says that 0 of 10,000 calls are left until the first of next month
      And they have 9,982 credits left
      When they send a GPT-3.5-turbo request that uses 100 tokens
      Then the request is refused with 429 "quota exceeded"
      And the message names the reset date
      And they have 9,982 credits left
      And no organisation paid for the individual

  Rule: A user who signs in sees their credits and their quota

    @F1.P1 @F1.P2 @F1.P3 @F1.P4 @F1.S1 @F1.S2 @EP1 @EP7 @critical
    Scenario: A Professional subscriber starts the month with 10,000 credits and 10,000 calls
      Given an individual on the Professional plan with 10,000 credits
      When they sign in
      Then they have 10,000 credits left
      And they have used 0 of 10,000 calls
      And their plan is Professional
      And their usage page shows 0 credits spent since the first of the month

    @EP1 @normal
    Scenario: A user who was granted no credits has none
      Given an individual on the Professional plan with 0 credits
      When they sign in
      Then they have 0 credits left
      And no charge is on their account

  Rule: A request costs what the model's price says, and nothing else moves

    @F1.S3 @F1.S4 @F1.S5 @F1.E1 @K1 @A4 @critical
    Scenario: A small GPT-3.5 request costs nine credits
      Given an individual on the Professional plan with 10,000 credits
      When they send a GPT-3.5-turbo request that uses 100 tokens
      Then the answer arrives
      And the answer says that it cost 9 credits and leaves 9,991
      And they have 9,991 credits left
      And one charge of 9 credits is on their account
      And no credits are reserved for them

    @A4 @critical
    Scenario Outline: 100 tokens of <model> cost <cost> credits
      Given an individual on the Professional plan with 10,000 credits
      When they send a <model> request that uses 100 tokens
      Then the answer arrives
      And they have <left> credits left
      And one charge of <cost> credits is on their account

      @K1
      Examples: The plan's first price
        | model         | cost | left  |
        | GPT-3.5-turbo | 9    | 9,991 |

      @K2
      Examples: The plan's second price
        | model | cost | left  |
        | GPT-4 | 48   | 9,952 |

      @K3
      Examples: The plan's third price
        | model       | cost | left  |
        | GPT-4-turbo | 24   | 9,976 |

      @K4
      Examples: The plan's fourth price
        | model           | cost | left  |
        | Claude-3-Sonnet | 15   | 9,985 |

    @F1.E1 @A4 @critical
    Scenario Outline: <tokens> tokens of <model> cost <cost>
      Given an individual on the Professional plan with 10,000 credits
      When they send a <model> request that uses <tokens> tokens
      Then they have <left> credits left
      And one charge of <cost> is on their account

      Examples: Half a credit rounds up, less rounds down
        | model           | tokens | cost       | left  |
        | GPT-3.5-turbo   | 49     | 4 credits  | 9,996 |
        | GPT-3.5-turbo   | 50     | 5 credits  | 9,995 |
        | GPT-3.5-turbo   | 51     | 5 credits  | 9,995 |
        | Claude-3-Sonnet | 9      | 1 credit   | 9,999 |
        | Claude-3-Sonnet | 10     | 2 credits  | 9,998 |
        | GPT-4           | 99     | 48 credits | 9,952 |
        | GPT-4           | 103    | 49 credits | 9,951 |
        | GPT-4-turbo     | 102    | 24 credits | 9,976 |
        | GPT-4-turbo     | 103    | 25 credits | 9,975 |

      Examples: No request is free
        | model         | tokens | cost     | left  |
        | GPT-3.5-turbo | 3      | 1 credit | 9,999 |

      Examples: Large requests are exact too
        | model         | tokens | cost          | left  |
        | GPT-3.5-turbo | 10,000 | 900 credits   | 9,100 |
        | GPT-4         | 12,345 | 5,926 credits | 4,074 |

    @F1.S5 @normal
    Scenario: Requests to different models are charged to the same credits
      Given an individual on the Professional plan with 100 credits
      When they send a GPT-3.5-turbo request that uses 100 tokens
      Then they have 91 credits left
      When they send a GPT-4 request that uses 100 tokens
      Then they have 43 credits left
      When they send a Claude-3-Sonnet request that uses 100 tokens
      Then they have 28 credits left
      And charges of 9, 48 and 15 credits are on their account

    @F1.S3 @F1.S4 @K1 @K2 @normal
    Scenario: The plan's two example requests cost what the plan expects
      Given an individual on the Professional plan with 10,000 credits
      When they ask GPT-3.5-turbo "Hello, this is a test."
      Then the answer arrives
      And they have 9,991 credits left
      When they ask GPT-4 "Complex reasoning task."
      Then the answer arrives
      And they have 9,943 credits left
      And charges of 9 and 48 credits are on their account

    @F1.E5 @critical
    Scenario: An individual's request involves no organisation
      Given an individual on the Professional plan with 10,000 credits
      And an organisation with 10,000 credits
      When the individual sends a GPT-3.5-turbo request that uses 100 tokens
      Then no organisation paid for the individual
      And the organisation has 10,000 credits

  Rule: Nobody spends more credits than they have

    @F1.S5 @critical
    Scenario: A user can spend their credits down to zero
      Given an individual on the Professional plan with 9 credits
      When they send a GPT-3.5-turbo request that uses 100 tokens
      Then the answer arrives
      And they have 0 credits left

    @A8 @needs.journal @critical
    Scenario: A request that costs one credit more than the user has is refused before the provider is called
      Given an individual on the Professional plan with 8 credits
      When they send a GPT-3.5-turbo request that uses 100 tokens
      Then the request is refused with 402 "insufficient credits"
      And the message shows where to buy more
      And they have 8 credits left
      And no charge is on their account
      And no credits are reserved for them
      And the provider was not called for them

    @F1.S5 @F1.S7 @critical
    Scenario: 10,000 credits are spent after 1,111 requests of 9 credits, long before the quota is used up
      Given an individual on the Professional plan with 10,000 credits
      And they have already made 1,109 calls this month
      When they send a GPT-3.5-turbo request that uses 111,000 tokens and costs 9,990 credits
      And they send a GPT-3.5-turbo request that uses 100 tokens
      Then the answer arrives
      And they have 1 credit left
      And they have used 1,111 of 10,000 calls
      When they send a GPT-3.5-turbo request that uses 100 tokens
      Then the request is refused with 402 "insufficient credits"
      And it says that 8,889 of 10,000 calls are left until the first of next month
      And they have 1 credit left

    @F1.S5 @F1.S7 @opt-in @normal
    Scenario: 10,000 credits pay for 1,111 requests, and request 1,112 is refused
      Given an individual on the Professional plan with 10,000 credits
      When they send 1,111 GPT-3.5-turbo requests that each use 100 tokens
      Then every answer arrives
      And they have 1 credit left
      And they have used 1,111 of 10,000 calls
      When they send a GPT-3.5-turbo request that uses 100 tokens
      Then the request is refused with 402 "insufficient credits"
      And they have 1 credit left

  Rule: Every request that is sent counts as one call of the month

    @F1.S6 @F1.E2 @F1.E4 @EP7 @critical
    Scenario: One request counts as one call, and the answer says how many are left and until when
      Given an individual on the Professional plan with 10,000 credits
      When they send a GPT-3.5-turbo request that uses 100 tokens
      Then the answer arrives
      And it says that 9,999 of 10,000 calls are left until the first of next month
      And they have used 1 of 10,000 calls
      And their usage page shows 9 credits spent since the first of the month

    @F1.E2 @EP8 @normal
    Scenario: The history lists every request, the latest first
      Given an individual on the Professional plan with 10,000 credits
      When they send a GPT-3.5-turbo request that uses 100 tokens
      And they send a GPT-4 request that uses 200 tokens
      Then their history reads
        | model         | tokens | credits | own key |
        | GPT-4         | 200    | 96      | no      |
        | GPT-3.5-turbo | 100    | 9       | no      |

  Rule: The month's quota is a hard stop

    @F1.S7 @F1.S8 @F1.E3 @F1.M3 @A5 @R2 @needs.journal @critical
    Scenario: A Professional subscriber's 10,001st call of the month is refused
      Given an individual on the Professional plan with 10,000 credits
      And they have already made 9,998 calls this month
      When they send 2 GPT-3.5-turbo requests that each use 100 tokens
      Then every answer arrives
      And they have used 10,000 of 10,000 calls
      When they send a GPT-3.5-turbo request that uses 100 tokens
      Then the request is refused with 429 "quota exceeded"
      And it says that 0 of 10,000 calls are left until the first of next month
      And they have 9,982 credits left
      And the provider was called 2 times for them

    @F1.S7 @F1.S8 @F1.M3 @opt-in @needs.journal @normal
    Scenario: All 10,000 calls of a Professional subscriber are answered and the next one is refused
      Given an individual on the Professional plan with 100,000 credits
      When they send 10,000 GPT-3.5-turbo requests that each use 100 tokens
      Then every answer arrives
      And they have 10,000 credits left
      And they have used 10,000 of 10,000 calls
      When they send a GPT-3.5-turbo request that uses 100 tokens
      Then the request is refused with 429 "quota exceeded"
      And the provider was called 10,000 times for them

  Rule: The estimate covers all that a request may use

    @F1.E1 @A4 @A8 @needs.journal @critical
    Scenario: A request is not sent if the user has one credit less than all that it may use costs
      Given an individual on the Professional plan with 44 credits
      Then each of these requests, which may use 500 tokens, is refused with 402 "insufficient credits"
        | request                                |
        | for two answers                        |
        | with two limits, the older one larger, |
        | with two limits, the newer one larger, |
        | in two parts                           |
        | with a turn without content            |
        | in Chinese                             |
        | in Japanese                            |
        | in Thai                                |
        | of many words without a limit          |
      And they have 44 credits left
      And the provider was not called for them

    @F1.E1 @A4 @needs.journal @critical
    Scenario: A request is answered if the user has exactly what all that it may use costs
      Given an individual on the Professional plan with 0 credits
      Then each of these requests is answered with exactly 45 credits left, uses 500 tokens and costs 45 credits
        | request                                |
        | for two answers                        |
        | with two limits, the older one larger, |
        | with two limits, the newer one larger, |
        | in two parts                           |
        | with a turn without content            |
        | in Chinese                             |
        | in Japanese                            |
        | in Thai                                |
        | of many words without a limit          |
      And they have 0 credits left
      And 9 charges of 45 credits are on their account
      And the provider was called 9 times for them

  Rule: A request that uses more than was estimated takes at most what is left

    @F1.E1 @A4 @needs.journal @critical
    Scenario: A request that uses more than was estimated costs what it used
      Given an individual on the Professional plan with 10,000 credits
      When they send a GPT-3.5-turbo request that is estimated at 100 tokens and uses 250
      Then the answer arrives
      And the answer says that it cost 23 credits and leaves 9,977
      And they have 9,977 credits left
      And one charge of 23 credits is on their account

    @A8 @needs.journal @critical
    Scenario: A request that uses more than the user has takes what they have, and the answer says so
      Given an individual on the Professional plan with 15 credits
      When they send a GPT-3.5-turbo request that is estimated at 100 tokens and uses 250
      Then the answer arrives
      And the answer says that it cost 15 credits and leaves 0
      And they have 0 credits left
      And one charge of 15 credits is on their account
      And no credits are reserved for them

    @F1.S5 @A4 @needs.journal @normal
    Scenario: Cached and reasoning tokens are part of the total and cost nothing more
      Given an individual on the Professional plan with 10,000 credits
      When they send a GPT-3.5-turbo request that uses 100 tokens
      Then the answer arrives
      And the answer's usage lists cached and reasoning tokens
      And they have 9,991 credits left

  Rule: Whatever individuals do, every answer and every charge is as agreed

    @normal
    Scenario: Histories that nobody wrote leave individuals with what they should have
      When 4 random histories of individuals happen, made of the seed 1
      Then every answer and every charge of them is as agreed
