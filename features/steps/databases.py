"""What the tables contain."""

from behave import then, when

from creditflow.checks import Finding, agree, diagnosis, holds, written
from features.memory import CreditContext


@when("the tables of unicorn_db are listed")
def lists_unicorn_tables(context: CreditContext) -> None:
    context.memory.tables = context.target.unicorn.database.columns()


@when("the tables of lago are listed")
def lists_lago_tables(context: CreditContext) -> None:
    context.memory.tables = context.target.lago_db.database.columns()


@then("{table} is there with the columns {columns}")
def table_is_there(context: CreditContext, table: str, columns: list[str]) -> None:
    holds(table in context.memory.tables, f"there is no table {table}, only {written(sorted(context.memory.tables))}")
    lacking = [column for column in columns if column not in context.memory.tables[table]]
    holds(not lacking, f"the table {table} lacks the columns {written(lacking)}")


@then("unicorn_db records the organisation by its name on the Platform tier")
def organization_row(context: CreditContext) -> None:
    organization = context.cast.find_organization("the organisation")
    row = context.target.unicorn.organization(organization.id) or {}
    agree(
        [
            Finding("the organisation's name in unicorn_db is", row.get("name"), organization.name),
            Finding("the organisation's tier in unicorn_db is", row.get("subscription_tier"), "platform"),
        ],
        lambda: diagnosis.of_organization(context.target, organization),
    )


@then("unicorn_db records {who} as admin and {who} as member")
def member_rows(context: CreditContext, admin: str, member: str) -> None:
    organization = context.cast.find_organization("the organisation")
    wanted = {context.cast.mentioned(admin).email: "admin", context.cast.mentioned(member).email: "member"}
    found = {row["user_email"]: row["role"] for row in context.target.unicorn.members(organization.id)}
    agree([Finding("the people in unicorn_db (organization_members) are", found, wanted)])


@then("unicorn_db counts one call of theirs with {number} tokens for {number} credits")
def one_counted_call(context: CreditContext, tokens: int, credits: int) -> None:
    context.accounts.one_call(context.memory.answer, tokens, credits)
