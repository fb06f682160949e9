Feature: Scenarios that take too long

  Scenario: One that takes long
    Given something that has to be removed
    When Keycloak is waited for 0.1 s
    And Keycloak is waited for 0.1 s
    And Keycloak is waited for 600 s
    Then all is well

  Scenario: The next one
    When Keycloak is waited for 0.1 s
    Then all is well

  Scenario: The last one
    When Keycloak is waited for 0.1 s
    Then all is well
