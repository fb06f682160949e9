@endings @exit.before_feature
Feature: Every scenario is kept from running

  Scenario: never reached in a feature that ended
    Given something to remove
