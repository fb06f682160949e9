"""Organisations, their members, purchases and allocations."""

from behave import given, then, when

from creditflow.actors import llm_requests
from creditflow.actors.attempts import ATTEMPTS, UNKNOWN
from creditflow.actors.people import Person
from creditflow.checks import Finding, agree, diagnosis
from features.language import number
from features.memory import CreditContext


@given("an organisation with {number} credits")
def makes_organization(context: CreditContext, credits: int) -> None:
    admin = context.cast.person("admin", "platform")
    context.cast.organization("the organisation", admin, credits=credits)


@given("a second organisation with {number} credits")
def makes_second_organization(context: CreditContext, credits: int) -> None:
    admin = context.cast.person("second admin", "platform")
    context.cast.organization("the second organisation", admin, credits=credits)


@given("a {role} with an allocation of {number} credits")
def makes_member(context: CreditContext, role: str, allocation: int) -> None:
    context.cast.member(role, context.cast.find_organization("the organisation"), allocation)


@given("a {role} without an allocation")
def makes_member_without_allocation(context: CreditContext, role: str) -> None:
    context.cast.member(role, context.cast.find_organization("the organisation"))


@given("a member of both with an allocation of {number} credits in each")
def makes_member_of_both(context: CreditContext, allocation: int) -> None:
    member = context.cast.member("member", context.cast.find_organization("the organisation"), allocation)
    context.cast.join(member, context.cast.find_organization("the second organisation"), allocation)


@when("the admin creates an organisation")
def creates_organization(context: CreditContext) -> None:
    context.memory.reply = context.cast.create_organization("the organisation", context.cast.subject("the admin"))
    status = context.memory.reply.status
    agree([Finding("the creation got the status", status, 201)], lambda: context.memory.reply.text[:300])


@when("the admin purchases {number} credits")
def purchases(context: CreditContext, credits: int) -> None:
    _purchase(context, credits, None)


@when("the admin purchases {number} credits under an idempotency key")
def purchases_under_key(context: CreditContext, credits: int) -> None:
    context.memory.idempotency_key, context.memory.purchased = llm_requests.new_key(), credits
    _purchase(context, credits, context.memory.idempotency_key)


@when("the admin sends the same purchase again")
def purchases_again(context: CreditContext) -> None:
    context.memory.first_reply = context.memory.reply
    _purchase(context, context.memory.purchased, context.memory.idempotency_key)


@when("the admin adds {who} by e-mail")
def adds_member(context: CreditContext, who: str) -> None:
    admin, organization = (
        context.cast.mentioned("the admin"),
        context.cast.find_organization("the organisation"),
    )
    person = context.cast.subject(who)
    context.memory.reply = context.target.ops_center.invite(admin.token, organization.id, person.email, "member")
    organization.members.append(person)


@when("the admin allocates {number} credit(s) to {who}")
def allocates(context: CreditContext, credits: int, who: str) -> None:
    admin, organization = (
        context.cast.mentioned("the admin"),
        context.cast.find_organization("the organisation"),
    )
    email = context.cast.subject(who).email
    context.memory.reply = context.target.ops_center.allocate(admin.token, organization.id, email, credits)


@when("{who} try/tries to {act}")
def tries(context: CreditContext, who: str, act: str) -> None:
    context.memory.reply = ATTEMPTS[act](context.target, context.cast, context.cast.subject(who))


@when("{who} look(s) at an organisation {unknown}")
def looks_at_unknown(context: CreditContext, who: str, which: str) -> None:
    context.memory.reply = context.target.ops_center.organization(context.cast.subject(who).token, UNKNOWN[which])


@then("{who} is listed as its admin")
def listed_as_admin(context: CreditContext, who: str) -> None:
    _listed(context, who, "admin")


@then("{who} is listed as a member")
def listed_as_member(context: CreditContext, who: str) -> None:
    _listed(context, who, "member")


@then("{organization} has {number} credits")
def organization_has(context: CreditContext, organization: str, total: int) -> None:
    context.accounts.organization(context.cast.find_organization(organization), total)


@then("{organization} has {number} credits, of which {number} are unallocated")
def organization_has_unallocated(context: CreditContext, organization: str, total: int, unallocated: int) -> None:
    context.accounts.organization(context.cast.find_organization(organization), total, unallocated)


@then("one purchase of {number} credits is on the organisation's account")
def one_purchase(context: CreditContext, credits: int) -> None:
    organization = context.cast.find_organization("the organisation")
    rows = context.target.unicorn.movements(org_id=organization.id)
    found = [row["amount"] for row in rows if row["transaction_type"] == "purchase"]
    agree(
        [Finding("the purchases on the organisation's account are", found, [credits])],
        lambda: diagnosis.of_organization(context.target, organization),
    )


@then("both purchases are the same")
def same_purchases(context: CreditContext) -> None:
    agree(
        [
            Finding(
                "the repeated purchase got the status",
                context.memory.reply.status,
                context.memory.first_reply.status,
            ),
            Finding("the repeated purchase reads", context.memory.reply.body, context.memory.first_reply.body),
        ],
    )


@then("nothing is left of the organisation but its movements")
def organization_removed(context: CreditContext) -> None:
    context.accounts.removed(context.cast.find_organization("the organisation"))


@then("{who} has {number} credit(s) of their allocation left")
def allocation_left(context: CreditContext, who: str, credits: int) -> None:
    organization = context.cast.find_organization("the organisation")
    context.accounts.allocation(context.cast.subject(who), organization, credits)


@then("{who} has used {number} credit(s) of their allocation")
def allocation_used(context: CreditContext, who: str, credits: int) -> None:
    context.accounts.used(context.cast.subject(who), context.cast.find_organization("the organisation"), credits)


@then("the organisation's usage breakdown reads")
def breakdown(context: CreditContext) -> None:
    context.accounts.attribution(context.cast.find_organization("the organisation"), _usage(context))


@when("{who} look(s) at the organisation's usage breakdown")
def looks_at_breakdown(context: CreditContext, who: str) -> None:
    token, organization = context.cast.subject(who).token, context.cast.find_organization("the organisation")
    context.memory.reply = context.target.ops_center.usage_attribution(token, organization.id)


@then("it shows")
def shows_breakdown(context: CreditContext) -> None:
    organization = context.cast.find_organization("the organisation")
    context.accounts.breakdown(context.memory.reply, organization, _usage(context))


@then("the charge of {number} credits names the organisation and {who}")
def charge_names_both(context: CreditContext, credits: int, who: str) -> None:
    organization = context.cast.find_organization("the organisation")
    context.accounts.charged_to(context.cast.subject(who), organization, credits)


def _usage(context: CreditContext) -> list[tuple[Person, int, int]]:
    return [(context.cast.mentioned(r["person"]), number(r["credits"]), number(r["calls"])) for r in context.table]


def _purchase(context: CreditContext, credits: int, key: str | None, of_organization: str = "the organisation") -> None:
    admin, organization = context.cast.subject("the admin"), context.cast.find_organization(of_organization)
    context.memory.reply = context.target.ops_center.purchase(admin.token, organization.id, credits, key)


def _listed(context: CreditContext, who: str, role: str) -> None:
    context.accounts.listed(context.cast.subject(who), context.cast.find_organization("the organisation"), [role])


@when("the admin adds {who} by e-mail as an admin")
def adds_admin(context: CreditContext, who: str) -> None:
    person, organization = context.cast.subject(who), context.cast.find_organization("the organisation")
    context.memory.reply = context.target.ops_center.invite(
        organization.admin.token, organization.id, person.email, "admin"
    )
    organization.members.append(person)


@when("the admin adds {who} by e-mail in capital letters")
def adds_member_in_capitals(context: CreditContext, who: str) -> None:
    person, organization = context.cast.subject(who), context.cast.find_organization("the organisation")
    context.memory.reply = context.target.ops_center.invite(
        organization.admin.token, organization.id, person.email.upper(), "member"
    )
    organization.members.append(person)


@when("the admin adds a {role} who has no account yet")
def adds_without_account(context: CreditContext, role: str) -> None:
    organization = context.cast.find_organization("the organisation")
    email = context.cast.address_of_the_future(role)
    context.memory.reply = context.target.ops_center.invite(organization.admin.token, organization.id, email, "member")


@when("{who} creates their account, on the {plan} plan")
def creates_account(context: CreditContext, who: str, plan: str) -> None:
    person = context.cast.person(who.removeprefix("the "), plan)
    context.cast.find_organization("the organisation").members.append(person)


@when("{who} tries to do what only an admin may")
def tries_all(context: CreditContext, who: str) -> None:
    person = context.cast.subject(who)
    context.memory.forget_replies()
    context.memory.replies_by_attempt = {
        row["attempt"]: ATTEMPTS[row["attempt"]](context.target, context.cast, person) for row in context.table
    }


@then("each of it succeeds")
def each_succeeds(context: CreditContext) -> None:
    replies = context.memory.replies_by_attempt
    who = context.cast.subject("they").alias
    agree(
        [
            Finding(f"{who} tries to {attempt} and gets", reply.status if reply.status >= 300 else "success", "success")
            for attempt, reply in replies.items()
        ]
    )


@then("{who} is no member of the organisation")
def is_no_member(context: CreditContext, who: str) -> None:
    context.accounts.stays_out(context.cast.subject(who), context.cast.find_organization("the organisation"))


@given("a second organisation of the same admin with {number} credits")
def makes_second_organization_of_admin(context: CreditContext, credits: int) -> None:
    context.cast.organization("the second organisation", context.cast.subject("the admin"), credits=credits)


@when("the admin purchases {number} credits for the second organisation under the same idempotency key")
def purchases_for_second_organization(context: CreditContext, credits: int) -> None:
    _purchase(context, credits, context.memory.idempotency_key, "the second organisation")


@when("the admin allocates {number} credit(s) to {whose} address in capital letters")
def allocates_in_capitals(context: CreditContext, credits: int, who: str) -> None:
    organization, email = context.cast.find_organization("the organisation"), context.cast.subject(who).email
    token, ops_center = organization.admin.token, context.target.ops_center
    context.memory.reply = ops_center.allocate(token, organization.id, email.upper(), credits)
