Feature: Steps that take too long

  Scenario: A wait that does not end
    Given something that has to be removed
    When Keycloak is waited for 600 s
    Then all is well

  Scenario: Whatever is raised is caught
    When everything that is raised is caught for 600 s
    Then all is well

  Scenario: Threads that do not end
    When ten threads wait for Redis for ever
    Then all is well

  Scenario: A removal that does not end
    Given something whose removal never ends
    Then all is well

  Scenario: What is quick
    Given something that has to be removed
    Then all is well
