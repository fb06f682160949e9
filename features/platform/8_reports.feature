@allure.label.epic:Platform
Feature: Platform: The reports of a run say what it has shown, and nothing more
  A product owner decides by the reports whether the credit flow may be deployed. What failed, what was left out and
  what nobody has looked at must be as easy to see as what passed.

  The runs below are descriptions. Their reports are made as those of any run.

  Rule: A run makes its reports by itself

    @N1 @RP1 @RP2 @SO1 @SO2 @SO3 @critical
    Scenario: At the end of a run the report, the summary and the sign-off sheet are there
      Given a run of these scenarios
        | part            | scenario                     | outcome |
        | individual flow | A request costs nine credits | passed  |
      When the run ends
      Then it has made the report, the summary and the sign-off sheet
      And its last lines say where each of them is
      And nobody else can read them

  Rule: The report has the result of each step, each balance and each call

    @RP1 @critical
    Scenario: The report shows what a request did to the credits and to the calls
      Given a run of these scenarios
        | part            | scenario                     | outcome |
        | individual flow | A request costs nine credits | passed  |
      And its ledger has these figures
        | who            | what                | before | after |
        | the individual | credits             | 10,000 | 9,991 |
        | the individual | calls of this month | 0      | 1     |
      When the run ends
      Then the report has these figures for "A request costs nine credits"
        | figure              | value  |
        | credits before      | 10,000 |
        | credits after       | 9,991  |
        | credits deducted    | 9      |
        | api calls increased | 1      |

    @RP1 @critical
    Scenario: The report shows the result and the time of each step
      Given a run of these scenarios
        | part      | scenario                | outcome | message                                       |
        | BYOK flow | The user's own key pays | failed  | the BYOK user has 991 credits, expected 1,000 |
      And it has these steps
        | step                              | result  | milliseconds |
        | When they send a request          | passed  | 412          |
        | Then they have 1,000 credits left | failed  | 35           |
        | And no charge is on their account | not run | 0            |
      When the run ends
      Then the report has the same steps for "The user's own key pays"

    @RP1 @critical
    Scenario: The report shows what was measured beside what the plan expects
      Given a run of these scenarios
        | part      | scenario                     | outcome |
        | qualities | Operations keep their limits | passed  |
      When the run ends
      Then the report has these times
        | operation             | expected | acceptable | median |
        | User Authentication   | 300      | 500        | 300    |
        | LLM Request (GPT-3.5) | 1,500    | 3,000      | 1,500  |
        | Credit Deduction      | 50       | 100        | 50     |
        | Usage Tracking        | 20       | 50         | 20     |
        | Org Credit Check      | 30       | 100        | 30     |
        | BYOK Detection        | 10       | 50         | 10     |

  Rule: A part of the plan has a tick only if all of it ran and was green

    @RP1 @RP2 @SO2 @critical
    Scenario Outline: A part with a scenario that <one> and a scenario that <other> is "<standing>"
      Given a run of these scenarios
        | part              | scenario                         | outcome  |
        | organisation flow | The organisation pays the charge | <first>  |
        | organisation flow | The member sees their allocation | <second> |
        | individual flow   | An individual pays the charge    | passed   |
      When the run ends
      Then the report and the summary say that the organisation flow is "<standing>"
      And they say that the individual flow is "PASSED"
      And they say that the edge cases are "NOT RUN"

      Examples:
        | one         | other            | first    | second       | standing |
        | passed      | passed too       | passed   | passed       | PASSED   |
        | passed      | failed           | passed   | failed       | FAILED   |
        | passed      | broke            | passed   | error        | FAILED   |
        | passed      | was skipped      | passed   | skipped      | PARTIAL  |
        | passed      | was waived       | passed   | waived       | PARTIAL  |
        | passed      | was not selected | passed   | not selected | PARTIAL  |
        | was not run | was not selected | untested | not selected | NOT RUN  |

  Rule: The summary fits on a screen, and the log has every error

    @RP2 @critical
    Scenario: The summary shows the state of the services and how long the run took
      Given a run of these scenarios
        | part            | scenario                     | outcome |
        | individual flow | A request costs nine credits | passed  |
      And it has these services
        | service  | version | state |
        | Keycloak | 26.0    | up    |
        | Redis    | 7.4     | down  |
      And it takes 12 minutes
      When the run ends
      Then the summary has the same services
      And the summary says that the run took 12 minutes

    @RP3 @critical
    Scenario: The log of errors has the time, the place and the message of each red scenario
      Given a run of these scenarios
        | part            | scenario                     | outcome | message                                               |
        | individual flow | A request costs nine credits | failed  | the individual has 9,982 credits, expected 9,991      |
        | edge cases      | The quota is a hard stop     | error   | Redis does not answer: start it, or look into its log |
        | BYOK flow       | The user's own key pays      | passed  |                                                       |
      When the run ends
      Then the log has these errors
        | scenario                     | message                                               |
        | A request costs nine credits | the individual has 9,982 credits, expected 9,991      |
        | The quota is a hard stop     | Redis does not answer: start it, or look into its log |

    @RP3 @critical
    Scenario: A run without errors leaves no log of errors, not even one of an earlier run
      Given a run of these scenarios
        | part            | scenario                     | outcome | message                                          |
        | individual flow | A request costs nine credits | failed  | the individual has 9,982 credits, expected 9,991 |
      And a later run of these scenarios
        | part            | scenario                     | outcome |
        | individual flow | A request costs nine credits | passed  |
      When both runs have ended
      Then there is no log of errors

  Rule: The sign-off sheet ticks what the run has shown, and leaves the rest open

    @SO1 @SO2 @SO3 @critical
    Scenario: The sheet of a run that passed leaves open only what people have to say
      Given a run in which every part of the plan has passed
      When the run ends
      Then the checklist "Test Execution" reads
        | line                        | state |
        | All prerequisites verified  | done  |
        | Test environment configured | done  |
        | Test users created          | done  |
        | Tests executed successfully | done  |
        | Reports generated           | done  |
      And the checklist "Test Results" reads
        | line                       | state |
        | Individual flow: PASSED    | done  |
        | Organization flow: PASSED  | done  |
        | BYOK flow: PASSED          | done  |
        | Edge cases: PASSED         | done  |
        | Performance benchmarks met | done  |
      And the checklist "Deployment Approval" reads
        | line                           | state |
        | All critical tests passed      | done  |
        | No high-risk issues identified | done  |
        | Documentation updated          | open  |
        | Team reviewed and approved     | open  |
      And the sheet has blank lines for the approval, the date and the signature

    @SO1 @SO2 @SO3 @critical
    Scenario: The sheet of a run with a failure ticks nothing that failed, and can't be signed
      Given a run in which every part of the plan has passed but the risks, which failed
      When the run ends
      Then the checklist "Test Execution" reads
        | line                        | state |
        | All prerequisites verified  | done  |
        | Test environment configured | done  |
        | Test users created          | done  |
        | Tests executed successfully | open  |
        | Reports generated           | done  |
      And the checklist "Deployment Approval" reads
        | line                           | state |
        | All critical tests passed      | open  |
        | No high-risk issues identified | open  |
        | Documentation updated          | open  |
        | Team reviewed and approved     | open  |
      And the sheet can't be signed, because "the run failed"

    @SO2 @SO3 @critical
    Scenario: The sheet of a run of one flow ticks that flow only, and can't be signed
      Given a run in which only the individual flow was selected and passed
      When the run ends
      Then the checklist "Test Results" reads
        | line                       | state |
        | Individual flow: PASSED    | done  |
        | Organization flow: NOT RUN | open  |
        | BYOK flow: NOT RUN         | open  |
        | Edge cases: NOT RUN        | open  |
        | Performance benchmarks met | open  |
      And the sheet can't be signed, because "only a part of the plan was run"

    @SO2 @SO3 @normal
    Scenario: The sheet of a run that measured nothing leaves the benchmarks open, and can't be signed
      Given a run in which every part of the plan has passed but the qualities, which were skipped
      When the run ends
      Then the checklist "Test Results" reads
        | line                       | state |
        | Individual flow: PASSED    | done  |
        | Organization flow: PASSED  | done  |
        | BYOK flow: PASSED          | done  |
        | Edge cases: PASSED         | done  |
        | Performance benchmarks met | open  |
      And the sheet can't be signed, because "only a part of the plan was run"
