@allure.label.epic:Qualities @qualities @exclusive @N4
Feature: Resilience: when a service fails, users get a clear answer and pay what they should
  Services fail while users work. A user then gets an answer or a refusal that says what to do, never an unexplained
  failure, and never waits for ever. Nobody pays for what they did not get. When the service is back, everything works
  again by itself, and every system agrees with the ledger.

  A service is away (it was killed), is paused (it takes requests and answers none), refuses connections, answers with
  errors, or answers 10 seconds late.

  Background:
    Given these prices in credits for 100 tokens
      | model         | credits |
      | GPT-3.5-turbo | 9       |

  Rule: Without Redis the quota holds, and it is exact when Redis is back

    @R6 @normal
    Scenario Outline: The quota holds while Redis <fails>
      Given a trial user on the Trial plan with 1,000 credits
      And they have already made 697 calls this month
      When they send a GPT-3.5-turbo request that uses 100 tokens
      And Redis <fails>
      And they send 4 GPT-3.5-turbo requests that each use 100 tokens
      Then 2 answers arrive and 2 are refused with 429 "quota exceeded"
      When Redis is back
      Then soon Ops-Center reports Redis as up
      And they have used 700 of 700 calls
      And they have 973 credits left

      Examples:
        | fails     |
        | is away   |
        | is paused |

      @opt-in
      Examples: The same from another cause
        | fails                   |
        | refuses connections     |
        | answers with errors     |
        | answers 10 seconds late |

    @R6 @normal
    Scenario: The quota goes on when Redis comes back empty
      Given a trial user on the Trial plan with 1,000 credits
      And they have already made 698 calls this month
      When they send a GPT-3.5-turbo request that uses 100 tokens
      Then the answer arrives
      When Redis goes away
      And Redis is back
      And they send 3 GPT-3.5-turbo requests that each use 100 tokens
      Then 1 answer arrives and 2 are refused with 429 "quota exceeded"
      And they have used 700 of 700 calls

  Rule: Without Lago requests are answered, and each of them is billed once when Lago is back

    @R6 @opt-in @normal
    Scenario Outline: Each request is answered and billed once if Lago <fails>
      Given an individual on the Professional plan with 1,000 credits
      And Lago <fails>
      When they send 3 GPT-3.5-turbo requests that each use 100 tokens
      Then every answer arrives
      And they have 973 credits left
      When Lago is back
      Then soon Lago bills them for 3 calls this month

      Examples:
        | fails                   |
        | is away                 |
        | is paused               |
        | refuses connections     |
        | answers with errors     |
        | answers 10 seconds late |

    @R6 @normal
    Scenario: Without Redis and Lago the last known plan applies, no limit is open and no event is lost
      Given an individual on the Starter plan with 1,000 credits
      And they have already made 997 calls this month
      When they send a GPT-3.5-turbo request that uses 100 tokens
      Then the answer arrives
      When Redis goes away
      And Lago goes away
      And they send 3 GPT-3.5-turbo requests that each use 100 tokens
      Then 2 answers arrive and 1 is refused with 429 "quota exceeded"
      When Redis is back
      And Lago is back
      Then soon Lago bills them for 3 calls this month
      And they have used 1,000 of 1,000 calls

  Rule: Without LiteLLM or the provider a request is refused with a clear message, and costs nothing

    @R6 @normal
    Scenario Outline: A request costs nothing while <service> <fails>
      Given an individual on the Professional plan with 1,000 credits
      And <service> <fails>
      When they send a GPT-3.5-turbo request that uses 100 tokens
      Then the request is refused with <refusal>
      And the refusal is a clear sentence that shows no internals
      And the message says that nothing was charged and asks to try again
      And they have 1,000 credits left
      And no credits are reserved for them
      When <service> is back
      And they send a GPT-3.5-turbo request that uses 100 tokens
      Then the answer arrives

      Examples:
        | service | fails               | refusal              |
        | LiteLLM | refuses connections | 502 "provider error" |
        | LiteLLM | answers with errors | 502 "provider error" |

      @opt-in
      Examples: The same from another cause
        | service      | fails                   | refusal                |
        | LiteLLM      | is away                 | 502 "provider error"   |
        | LiteLLM      | is paused               | 504 "provider timeout" |
        | LiteLLM      | answers 10 seconds late | 504 "provider timeout" |
        | the provider | is away                 | 502 "provider error"   |

    @R6 @needs.journal @normal
    Scenario: The platform's key is never used when the provider fails for a user's own key
      Given a BYOK user on the Professional plan with 1,000 credits
      And they have stored an OpenRouter key
      And for them the provider answers with a server error
      When they send a GPT-3.5-turbo request that uses 100 tokens with their own key
      Then the request is refused with 502 "provider error"
      And the provider was called once with the BYOK user's own key and never with the platform's
      And they have 1,000 credits left

    @R6 @opt-in @normal
    Scenario: Nobody pays when the provider is killed before the answers
      Given 3 users, who are
        | users | kind       | credits of each | ask for streams |
        | 3     | individual | 100             | 1               |
      And a stand-in that answers these users takes 800 ms
      When the provider goes away while each of them waits for the answer to a GPT-3.5-turbo request that uses 100 tokens
      Then each of them is refused with 502 "provider error", or their stream breaks off with it
      When the provider is back
      And each of them sends a GPT-3.5-turbo request that uses 100 tokens
      Then every answer arrives
      And each of them has paid 9 credits for each answer, and nothing else
      And soon no credits are reserved for any of them

  Rule: Without PostgreSQL a request is refused with a clear message, and nothing is charged

    @R6 @normal
    Scenario Outline: Nothing is charged and nothing is counted while PostgreSQL <fails>
      Given an individual on the Professional plan with 1,000 credits
      And PostgreSQL <fails>
      When they send a GPT-3.5-turbo request that uses 100 tokens
      Then the request is refused with 503 "service unavailable"
      And the refusal is a clear sentence that shows no internals
      And the message says that nothing was charged and asks to try again
      When PostgreSQL is back
      Then soon Ops-Center reports PostgreSQL as up
      And they have 1,000 credits left
      When they send a GPT-3.5-turbo request that uses 100 tokens
      Then the answer arrives
      And soon they have used 1 of 10,000 calls

      Examples:
        | fails   |
        | is away |

      @opt-in
      Examples: The same from another cause
        | fails                   |
        | is paused               |
        | refuses connections     |
        | answers with errors     |
        | answers 10 seconds late |

  Rule: Without Keycloak a user who has signed in goes on working

    @R6 @normal
    Scenario Outline: A user who has signed in goes on working while Keycloak <fails>
      Given an individual on the Professional plan with 1,000 credits
      When they sign in
      And they send a GPT-3.5-turbo request that uses 100 tokens
      And Keycloak <fails>
      And they send a GPT-3.5-turbo request that uses 100 tokens
      Then the answer arrives
      And they have 982 credits left
      When Keycloak is back
      Then soon Ops-Center reports Keycloak as up

      Examples:
        | fails               |
        | refuses connections |

      @opt-in
      Examples: The same from another cause
        | fails                   |
        | is paused               |
        | answers with errors     |
        | answers 10 seconds late |

    @R6 @normal
    Scenario: A new signing key of Keycloak is good at once, and so is the one before
      Given a neighbour on the Professional plan with 1,000 credits
      And an individual on the Professional plan with 1,000 credits
      When the neighbour sends a GPT-3.5-turbo request that uses 100 tokens
      Then the answer arrives
      When Keycloak gets a new signing key
      And the individual signs in again
      And they send a GPT-3.5-turbo request that uses 100 tokens
      Then the answer arrives
      When the neighbour sends a GPT-3.5-turbo request that uses 100 tokens
      Then the answer arrives

    @I1 @normal
    Scenario: A signing key that Keycloak has removed is trusted for five minutes at most
      Given an individual on the Professional plan with 1,000 credits
      When Keycloak gets a new signing key
      And they sign in again
      And they send a GPT-3.5-turbo request that uses 100 tokens
      Then the answer arrives
      When Keycloak withdraws that signing key
      Then within 300 seconds their sign-in with that key is refused with 401
      When they sign in again
      Then they have 991 credits left

    @R6 @opt-in @normal
    Scenario: Nobody can sign in while Keycloak is away, and who has signed in goes on working
      Given an individual on the Professional plan with 1,000 credits
      When they sign in
      And they send a GPT-3.5-turbo request that uses 100 tokens
      And Keycloak goes away
      Then nobody can sign in
      When they send a GPT-3.5-turbo request that uses 100 tokens
      Then the answer arrives
      And they have 982 credits left
      When Keycloak is back
      Then soon Ops-Center reports Keycloak as up

  Rule: When a service fails while requests are under way, each of them is answered, or refused and free

    Background:
      Given an organisation with 1,000 credits
      And 6 users, who are
        | users | kind       | credits of each | ask for streams |
        | 3     | individual | 100             | 1               |
        | 2     | member     | 100             | 1               |
        | 1     | BYOK user  | 0               | 0               |
      And a stand-in that answers these users takes 800 ms

    @R6 @opt-in @normal
    Scenario Outline: Everybody is answered although <service> <fails> meanwhile
      When <service> <fails> while each of them waits for the answer to a GPT-3.5-turbo request that uses 100 tokens
      Then every answer arrives
      When <service> is back
      Then soon Ops-Center reports <service> as up
      When each of them sends a GPT-3.5-turbo request that uses 100 tokens
      Then every answer arrives
      And each of them has paid 9 credits for each answer, and nothing else
      And soon no credits are reserved for any of them

      Examples:
        | service  | fails               |
        | Redis    | goes away           |
        | Redis    | is paused           |
        | Lago     | goes away           |
        | Keycloak | refuses connections |

    @R6 @opt-in @normal
    Scenario Outline: Nobody pays when <service> <fails> before the answer
      When <service> <fails> while each of them waits for the answer to a GPT-3.5-turbo request that uses 100 tokens
      Then each of them is refused with <refusal>, or their stream breaks off with it
      When <service> is back
      Then soon Ops-Center reports <service> as up
      And soon no credits are reserved for any of them
      When each of them sends a GPT-3.5-turbo request that uses 100 tokens
      Then every answer arrives
      And each of them has paid 9 credits for each answer, and nothing else

      Examples:
        | service    | fails               | refusal                   |
        | LiteLLM    | refuses connections | 502 "provider error"      |
        | PostgreSQL | goes away           | 503 "service unavailable" |
        | PostgreSQL | is paused           | 503 "service unavailable" |
        | PostgreSQL | refuses connections | 503 "service unavailable" |

    @R6 @normal
    Scenario: Nobody pays and nothing stays reserved when Ops-Center is killed before the answers
      When Ops-Center goes away while each of them waits for the answer to a GPT-3.5-turbo request that uses 100 tokens under an idempotency key
      Then no answer arrives
      When Ops-Center is back
      Then soon no credits are reserved for any of them
      When each of them sends the same request again
      Then every answer arrives
      And each of them has paid 9 credits for each answer, and nothing else
