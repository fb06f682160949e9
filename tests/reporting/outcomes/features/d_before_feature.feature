@raise.before_feature
Feature: Its first hook breaks

  Scenario: never reached in the feature
    Given all is well
