"""Faults of the suite itself: a feature checks what it does before a run, what it selects and what it says."""

from __future__ import annotations

from typing import Any

from creditflow.checks import diagnosis
from creditflow.reporting import report_files, selection, sign_off, text_report, text_summary
from creditflow.reporting.plan import Part
from creditflow.target import health
from sandbox.faults import fault, replace, rewrite


@fault("X3", "the run does not name Keycloak, Redis, Lago, LiteLLM and Ops-Center with what to try next")
def services_are_not_asked_how_they_are() -> None:
    """Begin a run without a check of the services, so that a failed service is taken for a wrong charge."""

    def look(service: str, _how: Any, setting: str) -> health.Health:
        return health.Health(service, "", "not named", f"set {setting}")

    replace(health, "_look", look)


@fault("X4", "the run ended with the status 1, expected 2", "the run had begun with")
def tables_are_not_looked_for() -> None:
    """Begin a run without a check of the tables, so that missing ones are noticed in the middle of it."""
    replace(health, "tables", lambda target: [])


@fault("X1", "of the suite it would leave out")
def one_command_runs_the_flows_only() -> None:
    """Leave edge cases and risks out of the run of everything, without a word."""
    rewrite(selection.scenarios, "parsed(FEATURES)", 'parsed(FEATURES / "flows")')


@fault("X2", "beside flow 1 it would run")
def tags_of_the_command_line_are_ignored() -> None:
    """Ignore tags, so that a run of one flow takes as long as the whole run."""
    rewrite(selection.scenarios, 'Configuration([f"--tags={tags}"] if tags else [])', "Configuration([])")


@fault("X2", "of flow 1 it would leave out", "A small GPT-3.5 request costs nine credits")
def rules_with_one_scenario_are_left_out() -> None:
    """Leave scenarios that carry the first price out of a selection, so that a flow is green without them."""
    rewrite(
        selection.scenarios, "scenario.should_run(config)", 'scenario.should_run(config) and "K1" not in scenario.tags'
    )


@fault("H1", "the hint reads 'Keycloak answers")
def whoever_can_not_sign_in_is_misdirected() -> None:
    """Take known users for unknown in the hint, so that its reader creates users that exist already."""
    rewrite(diagnosis.why_unauthorized, "find_user(username) is None", "find_user(username) is not None")


@fault("H2", "the message reads 'the individual has 10,000 credits in the API, expected 9,991")
def credit_middleware_is_not_suspected() -> None:
    """Leave the credit middleware out of the hint when nothing was deducted."""
    rewrite(diagnosis.why_not_deducted, "if paid and not charges:", "if paid and charges:")


@fault("H3", "the message reads 'the organisation has")
def purchase_is_not_missed() -> None:
    """Leave out of the hint that an organisation purchased no credits."""
    rewrite(diagnosis.why_no_organization_credits, "if bought:", "if not bought:")


@fault("H4", "the hint reads 'a key of", "expected in it 'no key is stored for user id")
def stored_key_is_called_missing() -> None:
    """Say the opposite of what is stored in the hint, so that its reader stores a key again."""
    rewrite(diagnosis.why_no_key, "if stored:", "if not stored:")


@fault("N1", "sign_off.html, expected 1")
def sheet_to_print_is_not_made() -> None:
    """Leave out the page that is printed and signed, so that somebody has to write it by hand."""
    rewrite(report_files.make, "if text}", "if text and path.suffix != '.html'}")
    rewrite(report_files.make, "            if text:", "            if text and path.suffix != '.html':")


@fault("RP1", "credits deducted")
def report_shows_the_balance_as_the_charge() -> None:
    """Show the whole balance as deducted, so that the reader of the report takes a charge for a loss."""
    rewrite(text_report._figures, "str(abs(changed))", "str(before)")


@fault("RP1", "has the steps")
def steps_after_a_failure_look_green() -> None:
    """Give steps that did not run the sign of those that passed, so that the report shows what nobody checked."""
    rewrite(text_report._scenario, "_STEPS[step.state]", "_STEPS['passed' if step.state == 'not run' else step.state]")


@fault("RP2", "the line of Redis reads")
def summary_shows_every_service_as_up() -> None:
    """Show a service as up that was down, so that nobody looks for the cause of a failure there."""
    rewrite(text_summary._services, "service.state", "'up'")


@fault("RP3", "the logs of errors are")
def log_of_an_earlier_run_stays() -> None:
    """Leave the log of errors of an earlier run, so that a green run seems to have errors."""
    rewrite(report_files.make, "_remove(path, directory)", "None")


@fault("SO1", "Tests executed successfully")
def failed_run_is_called_successful() -> None:
    """Tick "Tests executed successfully" for a run with failures."""
    rewrite(sign_off._execution, "standing is Standing.PASSED,", "standing is not Standing.NOT_RUN,")


@fault("RP1 SO2", "PARTIAL")
def half_a_flow_is_called_passed() -> None:
    """Tick a flow of which only some scenarios ran, so that the rest is approved unseen."""
    standing: Any = Part.standing
    rewrite(standing.fget, "all(map(_is_green, self.counting))", "any(map(_is_green, self.counting))")


@fault("SO3", "the approval is refused because")
def run_of_one_flow_can_be_signed() -> None:
    """Give the sheet of a run of one flow lines for a signature, so that the rest is approved unseen."""
    rewrite(sign_off._refusal, "if standing is Standing.PASSED:", "if standing is not Standing.FAILED:")
