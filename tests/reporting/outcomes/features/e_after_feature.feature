@raise.after_feature @cleanup.feature
Feature: Its last hook and its clean-up break

  Scenario: passed before the feature's last hook broke
    Given all is well
