@allure.label.epic:Qualities @qualities @exclusive
Feature: Speed over time: a loss of speed is noticed
  The figures of each run are kept for each target. An operation is compared with the earlier runs on the same machine,
  corrected by the echo that was measured beside it. With fewer than three earlier runs there is nothing to compare: then
  the figures of this run are kept and read back, and the attached table says "no earlier runs to compare with".

  What a run has measured for the plan's limits is not measured again here.

  Rule: No operation takes longer than in earlier runs

    @N2 @normal
    Scenario: Signing in and a request are as fast as in earlier runs
      Given an individual on the Professional plan with 1,000 credits
      And a stand-in that answers the individual takes 1,200 ms
      And what this run has measured is not measured again
      When signing in as the individual is measured
      And the individual's GPT-3.5-turbo request that uses 100 tokens is measured
      Then no operation is slower than in earlier runs

    @N2 @normal
    Scenario: Counting calls, deducting credits and a long history are as fast as in earlier runs
      Given an individual on the Professional plan with 1,000 credits
      And a neighbour on the Professional plan with 1,000 credits
      And they have already made 10,000 calls this month
      And what this run has measured is not measured again
      When the deduction of 9 credits for the individual's GPT-3.5-turbo request that uses 100 tokens is measured
      And the refusal with 429 "quota exceeded" of the neighbour's GPT-3.5-turbo request that uses 100 tokens is measured
      And reading the history of the neighbour is measured
      Then no operation is slower than in earlier runs
