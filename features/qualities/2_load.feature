@allure.label.epic:Qualities @qualities @exclusive @N3 @R5
Feature: Load: 100 users at the same time are answered, and each charge is right
  Many people use the platform at the same time. Each of them sends a request, reads the answer, pauses and sends the
  next request. Nobody may get a server error, wait much longer than alone, or pay for the answer of another.

  First a few users are there. Then all are there, and use the platform and LiteLLM in turn, so that the ratios compare
  figures of the same minute. A machine that is too busy with other programs gets no verdict on times. After the load
  the ledger is compared with every system for every single user.

  Background:
    Given an organisation with 100,000 credits

  Rule: 100 users get what 10 users get

    @critical
    Scenario: 100 users are answered or refused correctly, and nearly as fast as 10 users and as LiteLLM itself
      Given 100 users, who are
        | users | kind       | credits of each | ask for streams |
        | 45    | individual | 1,000           | 9               |
        | 5     | individual | 9               | 1               |
        | 30    | member     | 1,000           | 6               |
        | 20    | BYOK user  | 0               | 4               |
      And a stand-in that answers these users takes 1,200 ms
      When 10 and then 100 of them send GPT-3.5-turbo requests that use 100 tokens for 30 seconds, with pauses of 4,000 ms
      Then no request ends in a server error
      And every request is answered, or refused with 402 "insufficient credits" where the credits are used up
      And the median answer takes 100 users at most 200% of what it takes 10 users
      And 100 users get at least 80% of the answers that they get from LiteLLM directly

    @opt-in @normal
    Scenario: As many users as the settings name are answered or refused correctly
      Given as many users as the settings name, who are in proportion
        | users | kind       | credits of each | ask for streams |
        | 45    | individual | 100,000         | 9               |
        | 5     | individual | 9               | 1               |
        | 30    | member     | 100             | 6               |
        | 20    | BYOK user  | 0               | 4               |
      And a stand-in that answers these users takes 1,200 ms
      When 10 and then all of them send GPT-3.5-turbo requests that use 100 tokens for the time of the settings, with pauses of 4,000 ms
      Then no request ends in a server error
      And every request is answered, or refused with 402 where the credits are used up
