"""The reports of a run, made of results that a feature describes."""

from behave import given, then, when

from creditflow.checks import reports
from creditflow.checks.reports import DescribedRun
from features.language import number
from features.memory import CreditContext


@given("a run of these scenarios")
def describe_run(context: CreditContext) -> None:
    context.memory.runs = (_described(context),)


@given("a later run of these scenarios")
def describe_later_run(context: CreditContext) -> None:
    context.memory.runs += (_described(context),)


@given("its ledger has these figures")
def describe_ledger(context: CreditContext) -> None:
    rows = [(row["who"], row["what"], number(row["before"]), number(row["after"])) for row in context.table]
    context.memory.runs[-1].ledger(rows)


@given("it has these steps")
def describe_steps(context: CreditContext) -> None:
    context.memory.steps_described = [
        (row["step"], row["result"], number(row["milliseconds"])) for row in context.table
    ]
    context.memory.runs[-1].steps(context.memory.steps_described)


@given("it has these services")
def describe_services(context: CreditContext) -> None:
    context.memory.services_described = [(row["service"], row["version"], row["state"]) for row in context.table]
    context.memory.runs[-1].services(context.memory.services_described)


@given("it takes {number} minutes")
def describe_duration(context: CreditContext, minutes: int) -> None:
    context.memory.runs[-1].takes(minutes)


@given("a run in which every part of the plan has passed")
def describe_green_run(context: CreditContext) -> None:
    context.memory.runs = (DescribedRun.of_all_parts(),)


@given("a run in which every part of the plan has passed but the {part}, which {fate}")
def describe_run_with_one_exception(context: CreditContext, part: str, outcome: str) -> None:
    context.memory.runs = (DescribedRun.of_all_parts({part: outcome}),)


@given("a run in which only the {part} was selected and passed")
def describe_partial_run(context: CreditContext, part: str) -> None:
    context.memory.runs = (DescribedRun.of_all_parts({part: "passed"}, others=reports.NOT_SELECTED),)


@when("the run ends")
def end_run(context: CreditContext) -> None:
    context.memory.reports = reports.made(*context.memory.runs)


@when("both runs have ended")
def end_runs(context: CreditContext) -> None:
    context.memory.reports = reports.made(*context.memory.runs)


@then("it has made the report, the summary and the sign-off sheet")
def has_made_all(context: CreditContext) -> None:
    reports.require_all(context.memory.reports)


@then("its last lines say where each of them is")
def says_where(context: CreditContext) -> None:
    reports.require_named(context.memory.reports)


@then("nobody else can read them")
def are_private(context: CreditContext) -> None:
    reports.require_private(context.memory.reports)


@then("the report has these figures for {text}")
def report_has_figures(context: CreditContext, title: str) -> None:
    reports.require_figures(
        context.memory.reports, title, {row["figure"]: number(row["value"]) for row in context.table}
    )


@then("the report has the same steps for {text}")
def report_has_steps(context: CreditContext, title: str) -> None:
    reports.require_steps(context.memory.reports, title, context.memory.steps_described)


@then("the report has these times")
def report_has_times(context: CreditContext) -> None:
    rows = [
        (row["operation"], number(row["expected"]), number(row["acceptable"]), number(row["median"]))
        for row in context.table
    ]
    reports.require_measured(context.memory.reports, rows)


@then("the report and the summary say that the {part} is {text}")
def say_of_part(context: CreditContext, part: str, standing: str) -> None:
    reports.require_standing(context.memory.reports, part, standing)


@then("they say that the {part} is/are {text}")
def say_of_other_part(context: CreditContext, part: str, standing: str) -> None:
    reports.require_standing(context.memory.reports, part, standing)


@then("the summary has the same services")
def summary_has_services(context: CreditContext) -> None:
    reports.require_services(context.memory.reports, context.memory.services_described)


@then("the summary says that the run took {number} minutes")
def summary_says_duration(context: CreditContext, minutes: int) -> None:
    reports.require_duration(context.memory.reports, minutes)


@then("the log has these errors")
def log_has_errors(context: CreditContext) -> None:
    reports.require_errors(context.memory.reports, {row["scenario"]: row["message"] for row in context.table})


@then("there is no log of errors")
def no_log(context: CreditContext) -> None:
    reports.require_no_errors(context.memory.reports)


@then("the checklist {text} reads")
def checklist_reads(context: CreditContext, checklist: str) -> None:
    lines = {row["line"]: row["state"] for row in context.table}
    reports.require_lines(context.memory.reports, checklist, lines)


@then("the sheet has blank lines for the approval, the date and the signature")
def sheet_can_be_signed(context: CreditContext) -> None:
    reports.require_signature(context.memory.reports)


@then("the sheet can't be signed, because {text}")
def sheet_can_not_be_signed(context: CreditContext, reason: str) -> None:
    reports.require_refusal(context.memory.reports, reason)


def _described(context: CreditContext) -> DescribedRun:
    return DescribedRun.of(
        (row["part"], row["scenario"], row["outcome"], row.get("message") or "") for row in context.table
    )
