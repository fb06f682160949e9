Feature: Scenarios that wait for a signal

  @in-a-step @side-by-side
  Scenario: waits in a step
    Given somebody with credits, an organisation and a key
    When a step waits

  @side-by-side
  Scenario: waits in another step
    Given somebody with credits, an organisation and a key
    When a step waits

  @in-the-removal
  Scenario: waits in the removal
    Given somebody with credits, an organisation and a key
    And a removal that waits

  @in-the-removal @in-a-step
  Scenario: comes after
    Given somebody with credits, an organisation and a key
