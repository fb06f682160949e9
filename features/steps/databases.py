"""What stands in the tables."""

from behave import then, when
from behave.runner import Context

from creditflow.checks import diagnosis
from creditflow.core import expect
from creditflow.core.expect import Finding


@when("the tables of unicorn_db are listed")
def lists_unicorn_tables(context: Context) -> None:
    context.tables = context.target.unicorn.database.columns()


@when("the tables of lago are listed")
def lists_lago_tables(context: Context) -> None:
    context.tables = context.target.lago_db.database.columns()


@then("{table} is there with the columns {columns}")
def table_is_there(context: Context, table: str, columns: list[str]) -> None:
    expect.holds(table in context.tables, f"there is no table {table}, only {expect.written(sorted(context.tables))}")
    lacking = [column for column in columns if column not in context.tables[table]]
    expect.holds(not lacking, f"the table {table} lacks the columns {expect.written(lacking)}")


@then("unicorn_db records the organisation by its name on the Platform tier")
def organization_row(context: Context) -> None:
    organization = context.cast.find_organization("the organisation")
    row = context.target.unicorn.organization(organization.id) or {}
    expect.agree(
        [
            Finding("the organisation's name in unicorn_db is", row.get("name"), organization.name),
            Finding("the organisation's tier in unicorn_db is", row.get("subscription_tier"), "platform"),
        ],
        lambda: diagnosis.of_organization(context.target, organization),
    )


@then("unicorn_db records {who} as admin and {who} as member")
def member_rows(context: Context, admin: str, member: str) -> None:
    organization = context.cast.find_organization("the organisation")
    wanted = {context.cast.mentioned(admin).email: "admin", context.cast.mentioned(member).email: "member"}
    found = {row["user_email"]: row["role"] for row in context.target.unicorn.members(organization.id)}
    expect.agree([Finding("the people in unicorn_db (organization_members) are", found, wanted)])


@then("unicorn_db counts one call of theirs with {number} tokens for {number} credits")
def one_counted_call(context: Context, tokens: int, credits: int) -> None:
    context.accounts.one_call(context.answer, tokens, credits)


@when("a check tries to write to unicorn_db")
def check_writes(context: Context) -> None:
    said = context.target.unicorn.database.refusal_of_a_table("credit_flow_check_wrote")
    context.said = said or "nothing: it was written"


@then("PostgreSQL refuses it")
def write_refused(context: Context) -> None:
    refused = "read-only transaction" in context.said or "permission denied" in context.said
    expect.holds(refused, f"PostgreSQL said {context.said}")
