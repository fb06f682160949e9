@ends
Feature: The run ends early

  @ctrl-c
  Scenario: interrupted
    When someone presses Ctrl-C

  @ctrl-c-before
  @ctrl-c.before_scenario
  Scenario: interrupted before its steps
    Given all is well

  @ctrl-c-after
  @ctrl-c.after_scenario
  Scenario: interrupted after its steps
    Given all is well

  @term
  Scenario: terminated
    When the run is terminated

  @killed
  Scenario: killed
    When the process is killed

  @late
  Scenario: a thread fails after the run
    When a thread fails after the run

  @end @exclusive
  Scenario: after the end
    Given all is well
