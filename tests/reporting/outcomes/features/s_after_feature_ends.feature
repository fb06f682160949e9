@endings @exit.after_feature
Feature: Its last hook ends too late

  Scenario: passed before its feature ended
    Given something to remove
