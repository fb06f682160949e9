@ends
Feature: The run ends early

  @ctrl-c
  Scenario: interrupted
    When someone presses Ctrl-C

  @term
  Scenario: terminated
    When the run is terminated

  Scenario: after the end
    Given all is well
