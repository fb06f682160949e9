@raise.before_tag
Feature: Its tag's first hook breaks

  Scenario: never reached after the feature's tag
    Given all is well
