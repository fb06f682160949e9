@twins
Feature: Twins

  Scenario: twin
    Given all is well

  @allure.label.ALLURE_ID:7
  Scenario: another twin
    Then the balance is 8, expected 9

  @allure.label.ALLURE_ID:7
  Scenario: another twin
    Given all is well
