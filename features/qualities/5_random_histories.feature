@allure.label.epic:Qualities @qualities @exclusive
Feature: Random histories: nobody has to think of a case before it is tested
  Scenarios show what somebody thought of. Here the suite makes up what people do, in the sentences of the features, and
  everything that they get is judged: the answers, the charges, and what every system says about them afterwards.

  Rule: Whatever people do, every answer and every charge is as agreed

    @opt-in @normal
    Scenario: Whatever people do in the time of the settings, every answer and every charge is as agreed
      When random histories happen for the time of the settings
      Then every answer and every charge of them is as agreed
