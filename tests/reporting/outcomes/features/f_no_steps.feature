Feature: Nothing to check

  Scenario: without steps
