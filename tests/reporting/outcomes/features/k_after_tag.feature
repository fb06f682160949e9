@raise.after_tag
Feature: Its tag's last hook breaks

  Scenario: passed before the feature's tag broke
    Given all is well
