@allure.label.epic:Credit_flow @flow-1 @A1
Feature: 1 An individual pays for LLM requests with their own credits
  Someone with a Professional subscription spends platform credits, one request at a time,
  sees on the same day what each request cost, and is stopped when the month's quota is used up.

  Background:
    Given these prices in credits for 100 tokens
      | model           | credits |
      | GPT-3.5-turbo   | 9       |
      | GPT-4           | 48      |
      | GPT-4-turbo     | 24      |
      | Claude-3-Sonnet | 15      |

  Rule: Whoever signs in sees what they hold and what they may use

    @F1.P1 @F1.P2 @F1.P3 @F1.P4 @F1.S1 @F1.S2 @EP1 @EP7 @critical
    Scenario: A Professional subscriber starts the month with 10,000 credits and 10,000 calls
      Given an individual on the Professional plan with 10,000 credits
      When they sign in
      Then they have 10,000 credits left
      And they have used 0 of 10,000 calls
      And their plan is Professional
      And their usage page shows 0 credits spent since the first of the month

    @EP1 @normal
    Scenario: Someone who was granted nothing holds nothing
      Given an individual on the Professional plan with 0 credits
      When they sign in
      Then they have 0 credits left
      And no charge is on their account

  Rule: A request costs what the model's price says, and nothing else moves

    @F1.S3 @F1.S4 @F1.S5 @F1.E1 @K1 @A4 @critical
    Scenario: A small GPT-3.5 request costs nine credits
      Given an individual on the Professional plan with 10,000 credits
      When they ask GPT-3.5-turbo a question of 100 tokens
      Then the answer arrives
      And the answer says that it cost 9 credits and leaves 9,991
      And they have 9,991 credits left
      And one charge of 9 credits is on their account
      And no credits are held for them

    @K1 @K2 @K3 @K4 @A4 @critical
    Scenario Outline: 100 tokens of <model> cost <cost> credits
      Given an individual on the Professional plan with 10,000 credits
      When they ask <model> a question of 100 tokens
      Then the answer arrives
      And they have <left> credits left
      And one charge of <cost> credits is on their account

      Examples: The plan's price list
        | model           | cost | left  |
        | GPT-3.5-turbo   | 9    | 9,991 |
        | GPT-4           | 48   | 9,952 |
        | GPT-4-turbo     | 24   | 9,976 |
        | Claude-3-Sonnet | 15   | 9,985 |

    @F1.E1 @A4 @critical
    Scenario Outline: <tokens> tokens of <model> cost <cost> whole credits
      Given an individual on the Professional plan with 10,000 credits
      When they ask <model> a question of <tokens> tokens
      Then they have <left> credits left
      And one charge of <cost> credits is on their account

      Examples: Half a credit rounds up, less rounds down
        | model           | tokens | cost | left  |
        | GPT-3.5-turbo   | 49     | 4    | 9,996 |
        | GPT-3.5-turbo   | 50     | 5    | 9,995 |
        | GPT-3.5-turbo   | 51     | 5    | 9,995 |
        | Claude-3-Sonnet | 9      | 1    | 9,999 |
        | Claude-3-Sonnet | 10     | 2    | 9,998 |
        | GPT-4           | 99     | 48   | 9,952 |
        | GPT-4           | 103    | 49   | 9,951 |
        | GPT-4-turbo     | 102    | 24   | 9,976 |
        | GPT-4-turbo     | 103    | 25   | 9,975 |

      @F1.S5
      Examples: No request is free
        | model         | tokens | cost | left  |
        | GPT-3.5-turbo | 3      | 1    | 9,999 |

      @F1.S5
      Examples: Large requests are exact too
        | model         | tokens | cost  | left  |
        | GPT-3.5-turbo | 10,000 | 900   | 9,100 |
        | GPT-4         | 12,345 | 5,926 | 4,074 |

    @F1.S5 @normal
    Scenario: Questions of any model are charged from the same purse
      Given an individual on the Professional plan with 100 credits
      When they ask GPT-3.5-turbo a question of 100 tokens
      Then they have 91 credits left
      When they ask GPT-4 a question of 100 tokens
      Then they have 43 credits left
      When they ask Claude-3-Sonnet a question of 100 tokens
      Then they have 28 credits left
      And charges of 9, 48 and 15 credits are on their account

    @F1.S3 @F1.S4 @normal
    Scenario: The plan's own test question costs what the plan expects
      Given an individual on the Professional plan with 10,000 credits
      When they ask GPT-3.5-turbo "Hello, this is a test."
      Then the answer arrives
      And they have 9,991 credits left

    @F1.S5 @A4 @critical
    Scenario: A long question costs what it used and not what was expected of it
      Given an individual on the Professional plan with 10,000 credits
      When they ask GPT-3.5-turbo a question of 150 words and set no limit to the answer
      Then the answer arrives
      And they have 9,986 credits left
      And one charge of 14 credits is on their account

    @R4 @critical
    Scenario: What one individual spends is not taken from another
      Given an individual on the Professional plan with 10,000 credits
      And a neighbour on the Professional plan with 500 credits
      When the individual asks GPT-4 a question of 100 tokens
      Then the individual has 9,952 credits left
      And the neighbour has 500 credits left
      And no charge is on the neighbour's account
      And the neighbour has used 0 of 10,000 calls
      And the neighbour's usage page shows 0 credits spent since the first of the month

    @F1.E5 @critical
    Scenario: An individual's request involves no organisation
      Given an individual on the Professional plan with 10,000 credits
      And an organisation with 10,000 credits
      When the individual asks GPT-3.5-turbo a question of 100 tokens
      Then no organisation paid for the individual
      And the organisation has 10,000 credits

  Rule: Nobody spends more than they hold

    @F1.S5 @critical
    Scenario: The last credits can be spent to zero
      Given an individual on the Professional plan with 9 credits
      When they ask GPT-3.5-turbo a question of 100 tokens
      Then the answer arrives
      And they have 0 credits left

    @A8 @needs.journal @critical
    Scenario: A request that costs one credit more than they hold is refused before the provider is called
      Given an individual on the Professional plan with 8 credits
      When they ask GPT-3.5-turbo a question of 100 tokens
      Then the request is refused as 402 "insufficient credits"
      And the message shows where to buy more
      And they have 8 credits left
      And no charge is on their account
      And no credits are held for them
      And the provider was not called for them

  Rule: Every request that is sent counts as one call of the month

    @F1.S6 @F1.E2 @EP7 @critical
    Scenario: One request counts as one call
      Given an individual on the Professional plan with 10,000 credits
      When they ask GPT-3.5-turbo a question of 100 tokens
      Then they have used 1 of 10,000 calls
      And their usage page shows 9 credits spent since the first of the month

    @F1.E2 @EP8 @normal
    Scenario: The history lists every request, the latest first
      Given an individual on the Professional plan with 10,000 credits
      When they ask GPT-3.5-turbo a question of 100 tokens
      And they ask GPT-4 a question of 200 tokens
      Then their history reads
        | model         | tokens | credits | own key |
        | GPT-4         | 200    | 96      | no      |
        | GPT-3.5-turbo | 100    | 9       | no      |

    @F1.E4 @normal
    Scenario: An answer says how many calls are left and until when
      Given an individual on the Professional plan with 10,000 credits
      When they ask GPT-3.5-turbo a question of 100 tokens
      Then the answer arrives
      And it says that 9,999 of 10,000 calls are left until the first of next month

  Rule: The month's quota is a hard stop

    @F1.S7 @F1.S8 @F1.E3 @F1.M3 @A5 @R2 @needs.journal @critical
    Scenario: A Professional subscriber's 10,001st call of the month is refused
      Given an individual on the Professional plan with 10,000 credits
      And they have already made 9,998 calls this month
      When they ask GPT-3.5-turbo 2 questions of 100 tokens
      Then every answer arrives
      And they have used 10,000 of 10,000 calls
      When they ask GPT-3.5-turbo a question of 100 tokens
      Then the request is refused as 429 "quota exceeded"
      And it says that 0 of 10,000 calls are left until the first of next month
      And they have 9,982 credits left
      And the provider was called 2 times for them

    @F1.S7 @F1.S8 @F1.M3 @opt-in @needs.journal @normal
    Scenario: All 10,000 calls of a Professional subscriber are answered and the next one is refused
      Given an individual on the Professional plan with 100,000 credits
      When they ask GPT-3.5-turbo 10,000 questions of 100 tokens
      Then every answer arrives
      And they have 10,000 credits left
      And they have used 10,000 of 10,000 calls
      When they ask GPT-3.5-turbo a question of 100 tokens
      Then the request is refused as 429 "quota exceeded"
      And the provider was called 10,000 times for them
