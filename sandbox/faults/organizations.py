"""Faults of organisations: who pays for a member, what is allocated, and who may decide about it."""

from pydantic import Field, StringConstraints

from sandbox.faults import fault, rewrite
from sandbox.ops_center import credit_accounts, credits, organizations, payers, reservations
from sandbox.ops_center.credit_accounts import Allocation
from sandbox.ops_center.credits import NewAllocation, Purchase
from sandbox.ops_center.database import Database
from sandbox.ops_center.organizations import Invitation
from sandbox.ops_center.services import Services

_ADMIN = "require_admin(db, org_id, caller)"
_MEMBER = "require_member(db, org_id, caller)"
_CHOICE = "membership = choose(await organizations.memberships(services.database, caller), org_id)\n"


@fault("R4", "the member has 691 credits in the API, expected 700")
def member_spends_their_own_credits_first() -> None:
    """Charge a member's own credits for what their organisation should pay."""
    rewrite(payers.account_of, _CHOICE, _CHOICE + _own_credits_if("user_credits", "credits_remaining > 0"))


@fault("F2.S7", "the member got no answer: status 402", "insufficient_credits")
def member_is_charged_individually() -> None:
    """Treat members as individuals, so that they can't use their organisation's credits."""
    rewrite(payers.choose, "memberships[0] if memberships else None", "None")


@fault("F2.E1", "the admin got no answer: status 402", "insufficient_credits")
def admin_is_charged_individually() -> None:
    """Charge an admin's own credits instead of their allocation."""
    rewrite(
        payers.choose,
        "memberships[0] if memberships else None",
        'memberships[0] if memberships and memberships[0].role == "member" else None',
    )


@fault("F2.M1", "12 answers arrived, expected 10")
def allocation_is_checked_and_deducted_later() -> None:
    """Check and deduct the allocation in two transactions, so that ten tabs at once exceed it."""
    _reserve_nothing()


@fault("F2.S10", "the member got the status 200, expected 402")
def what_was_allocated_is_compared_and_not_what_is_left() -> None:
    """Compare a request with the whole allocation, so that a used-up one still pays."""
    _reserve_nothing()
    rewrite(
        credit_accounts.refusal_of_allocation,
        'member["allocated_credits"] - member["used_credits"] - member["reserved_credits"]',
        'member["allocated_credits"]',
    )


@fault("F2.S10", "the member got no answer", "status 402", "0 of your allocation are available")
def what_was_used_is_compared_and_not_what_is_left() -> None:
    """Compare a request with what was used before, so that new members get no answer."""
    rewrite(
        credit_accounts.refusal_of_allocation,
        'member["allocated_credits"] - member["used_credits"] - member["reserved_credits"]',
        'member["used_credits"]',
    )


@fault("F2.S7", "the charges that name both are none in unicorn_db (credit_transactions), expected 9")
def charge_is_attributed_to_the_admin() -> None:
    """Record a member's spending under the admin's name."""
    rewrite(
        reservations.settle,
        'VALUES (%s, %s, %s, \'usage\', %s, %s)"""',
        "SELECT COALESCE((SELECT m.user_id FROM organization_members m\n"
        "                             WHERE m.org_id = i.org AND m.role = 'admin' LIMIT 1), i.member),\n"
        "                          i.org, i.amount, 'usage', i.description, i.request\n"
        "                   FROM (SELECT %s::uuid, %s::uuid, %s::integer, %s, %s::uuid)\n"
        '                        AS i(member, org, amount, description, request)"""',
    )


@fault("F2.S7", "the organisation has 10,000 credits in the API, expected 9,991")
def organization_keeps_what_its_member_spends() -> None:
    """Keep the organisation's total when a member spends, so that the same credits can be spent again."""
    rewrite(
        Allocation._move,
        "total_credits = total_credits - %(used)s",
        "total_credits = total_credits - 0 * %(used)s",
    )


@fault("F2.S7", "the organisation has 7,491 unallocated credits in the API, expected 7,500")
def spent_credits_stay_allocated() -> None:
    """Count spent credits as allocated, so that the admin can't allocate credits that are there."""
    rewrite(
        Allocation._move,
        "allocated_credits = allocated_credits - %(used)s",
        "allocated_credits = allocated_credits - 0 * %(used)s",
    )


@fault("F2.S8", "2,500 credits to spend in unicorn_db (organization_members), expected 2,491")
def allocation_is_never_used_up() -> None:
    """Keep a member's allocation when they spend, so that they can spend all of the organisation's credits."""
    rewrite(Allocation._move, "used_credits = used_credits + %(used)s", "used_credits = used_credits + 0 * %(used)s")


@fault("F2.E2", "the second member has 952 credits of their allocation left in the API, expected 1,000")
def every_member_pays_for_one() -> None:
    """Deduct one member's spending from every colleague's allocation too."""
    rewrite(
        Allocation._move,
        "WHERE id = %(member)s",
        "WHERE org_id = %(org)s AND (id = %(member)s OR allocated_credits > used_credits + %(used)s)",
    )


@fault("EP4", "the member has 500 credits of their allocation left in the API, expected 3,000")
def second_allocation_replaces_the_first() -> None:
    """Replace an allocation by the next one, so that 500 more on 2,500 makes 500."""
    rewrite(credits._add_to_allocation, "allocated_credits = allocated_credits + %s", "allocated_credits = %s")


@fault("F2.E2", "the member got the status 200, expected 409")
def more_can_be_allocated_than_there_is() -> None:
    """Allocate credits that the organisation does not have, so that two members are promised the same ones."""
    rewrite(credits.refuse_more_than_unallocated, "credits > unallocated(row)", "False")
    rewrite(
        credits.allocate,
        "allocated_credits = allocated_credits + %s",
        "allocated_credits = LEAST(total_credits, allocated_credits + %s)",
    )


@fault("F2.E2", "the member has 9,999 credits of their allocation left in the API, expected 10,000")
def last_credit_can_not_be_allocated() -> None:
    """Refuse to allocate the last credit, so that the organisation keeps it for ever."""
    rewrite(credits.refuse_more_than_unallocated, "credits > unallocated(row)", "credits >= unallocated(row)")


@fault("R1", "10 succeeded, expected 6")
def allocations_at_once_overwrite_each_other() -> None:
    """Read the unallocated credits without a lock, so that two clicks allocate the same ones."""
    rewrite(credits.allocate, " FOR NO KEY UPDATE", "")
    rewrite(
        credits.allocate,
        "SET allocated_credits = allocated_credits + %s",
        "SET allocated_credits = LEAST(total_credits, allocated_credits + %s)",
    )


@fault("EP4", "the admin got the status 200, expected 422")
def allocation_of_less_than_nothing_is_accepted() -> None:
    """Accept an allocation of 0 or less, which takes a member's credits away."""
    _unlimit(NewAllocation, "credits")


@fault("EP3", "the admin got the status 500, expected 422")
def purchase_of_nothing_is_a_server_error() -> None:
    """Let only the database stop a purchase of 0 or less, so that the admin gets a server error."""
    _unlimit(Purchase, "amount")


@fault("EP3", "the movements of the organisation add up to 0 credits")
def purchase_is_not_booked() -> None:
    """Add purchased credits without a row that says who bought them, and when."""
    rewrite(credits._purchase, "        await db.execute(\n", "        if False: await db.execute(\n")


@fault("EP3", "the organisation has 500 credits in the API, expected 10,500")
def purchase_replaces_what_was_there() -> None:
    """Replace the credits by a purchase, so that the organisation loses what it had."""
    rewrite(
        credits._purchase,
        "total_credits = total_credits + %s",
        "total_credits = GREATEST(allocated_credits, %s)",
    )


@fault("EP3", "the field total_credits is 10,000, expected 10,500")
def purchase_shows_the_credits_from_before() -> None:
    """Show the old total after a purchase, so that the admin buys again."""
    rewrite(
        credits._purchase, '"total_credits": row["total_credits"]', '"total_credits": row["total_credits"] - amount'
    )


@fault("EP3", "the repeated purchase reads", "total_credits 20,000")
def repeated_purchase_is_bought_twice() -> None:
    """Ignore the idempotency key of a purchase, so that a double click costs the organisation twice."""
    rewrite(credits.purchase, "await idempotency.claim(services.database, caller.user_id, request)", "None")


@fault("R4", "the member got the status 201, expected 403")
def member_may_purchase() -> None:
    """Let any member spend the organisation's money on credits."""
    rewrite(credits._purchase, _ADMIN, _MEMBER)


@fault("R4", "the member got the status 200, expected 403")
def member_may_allocate() -> None:
    """Let any member allocate the organisation's credits to themselves."""
    rewrite(credits.allocate, _ADMIN, _MEMBER)


@fault("R4", "the member got the status 200, expected 403")
def member_sees_what_colleagues_spend() -> None:
    """Show everybody's usage to every member."""
    rewrite(credits.usage_attribution, _ADMIN, _MEMBER)


@fault("R4", "the member got the status 204, expected 403")
def member_may_remove_the_organization() -> None:
    """Let any member delete the organisation with everybody's credits."""
    rewrite(organizations.delete, _ADMIN, _MEMBER)


@fault("R4", "the stranger got the status 200, expected 403")
def stranger_sees_the_organization() -> None:
    """Show an organisation's name and its members' e-mail addresses to anybody who has its id."""
    rewrite(organizations.show, f"await {_MEMBER}", "pass")


@fault("R4", "the stranger got the status 200, expected 403")
def stranger_sees_the_credits() -> None:
    """Show an organisation's credits to anybody who has its id."""
    rewrite(credits.organization_balance, f"await organizations.{_MEMBER}", "pass")


@fault("EP13", "the admin got the status 201, expected 409")
def member_can_be_added_twice() -> None:
    """Accept the same member a second time, so that the admin does not learn that they are there already."""
    rewrite(
        organizations.invite,
        "VALUES (%s, %s, %s, %s)",
        "VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
    )


@fault("EP13", "the colleague is listed as admin, expected member")
def invited_member_becomes_an_admin() -> None:
    """Ignore the role of an invitation, so that every new member may do everything."""
    rewrite(organizations.invite, "invitation.email, invitation.role)", 'invitation.email, "admin")')


@fault("EP11", "the admin is listed as member, expected admin")
def founder_is_listed_as_a_mere_member() -> None:
    """List the founder without their role, so that nobody knows whom to ask for credits."""
    rewrite(organizations.show, "SELECT user_email, role,", "SELECT user_email, 'member' AS role,")


@fault("F2.E1", "the second organisation has 5,000 credits in the API, expected 4,991")
def another_organization_pays_than_was_named() -> None:
    """Charge another organisation than the one that the member named."""
    rewrite(
        payers.choose, "if membership.org_id == org_id:", "if membership.org_id != org_id or len(memberships) == 1:"
    )


@fault("F2.E1", "the member got no answer: status 400", "organization_required")
def named_organization_is_ignored() -> None:
    """Ask a member of two organisations to name one, even though they did."""
    rewrite(payers.named_organization, "UUID(value) if value else None", "None")


@fault("F2.E1", "the member got the status 200, expected 400")
def first_organization_pays_when_none_is_named() -> None:
    """Charge the first organisation when a member of two names none."""
    rewrite(payers.choose, "len(memberships) > 1", "False")


@fault("F2.E1", "the member got the status 200, expected 403")
def organization_of_others_can_be_named() -> None:
    """Accept an organisation of others, so that a request has another payer than its sender chose."""
    rewrite(payers.choose, "raise organizations.not_a_member()", "return memberships[0] if memberships else None")


@fault("C4.S1", "the member got the status 402, expected 403", "insufficient_credits")
def member_without_an_allocation_pays_alone() -> None:
    """Charge a member without an allocation individually, so that they never learn what is missing."""
    rewrite(payers.account_of, _CHOICE, _CHOICE + _own_credits_if("organization_members", "allocated_credits = 0"))


@fault("C4.S1", "the member got the status 402, expected 403", "allocation_exhausted")
def missing_allocation_is_called_an_exhausted_one() -> None:
    """Tell a new member that their allocation is used up, though they never had one."""
    rewrite(credit_accounts.refusal_of_allocation, 'member["allocated_credits"] == 0', "False")


@fault("EP12", "the organisation is still there after its removal")
def removed_organization_goes_on_paying() -> None:
    """Confirm the removal of an organisation and keep it, so that its members go on spending."""
    rewrite(
        organizations.delete,
        "DELETE FROM organizations WHERE id = %s",
        "UPDATE organizations SET id = id WHERE id = %s",
    )


@fault("F2.E3", "the breakdown gives the member 66 credits, expected 18")
def breakdown_gives_everybody_the_whole() -> None:
    """Show every member with the spending of all, so that the admin accuses the wrong people."""
    rewrite(credits.attribution, "AND u.user_id = m.user_id ", "")


@fault("F2.E3", "the breakdown gives the member 200 credits, expected 18")
def breakdown_shows_tokens_for_credits() -> None:
    """Show tokens as credits, ten times as much as was spent."""
    rewrite(credits.attribution, "sum(u.credits)", "sum(u.tokens)")


@fault("F2.E3", "the breakdown gives the second member none credits, expected 48")
def breakdown_lacks_the_last_member() -> None:
    """Leave one member out of the breakdown, so that nobody sees their spending."""
    rewrite(credits.attribution, "return await found.fetchall()", "return (await found.fetchall())[:2]")


@fault("F2.E1", "the breakdown gives the member 9 credits, expected 0")
def breakdown_counts_what_is_spent_elsewhere() -> None:
    """Count in the breakdown what a member spends in another organisation."""
    rewrite(credits.attribution, "u.org_id = m.org_id AND ", "")


@fault("EP6", "the breakdown gives the member none credits, expected 0")
def breakdown_leaves_out_who_spent_nothing() -> None:
    """Leave members without usage out, so that the admin can't see who needs no credits."""
    rewrite(credits.attribution, "LEFT JOIN", "JOIN")


@fault("F2.S8", "the member has 2,500 credits of their allocation left in the API, expected 2,491")
def remaining_allocation_ignores_what_was_used() -> None:
    """Show a member their whole allocation as what is left, so that they don't understand a refusal."""
    rewrite(credits._shown, "allocated - used}", "allocated}")


@fault("F2.E2", "the member has used 0 credits of their allocation in the API, expected 9")
def used_allocation_is_not_shown() -> None:
    """Show on a member's own page that they have used nothing."""
    rewrite(credits._shown, '"used": used', '"used": 0')


@fault("F2.S8", "the organisation's page gives the member 2,500 credits to spend, expected 2,491")
def page_of_the_organization_is_stale() -> None:
    """Show nobody's spending in the list of members, so that empty allocations look full."""
    rewrite(organizations.show, "used_credits AS used", "0 AS used")


@fault("EP2", "the field unallocated_credits is 10,000, expected 7,500")
def allocated_credits_are_shown_as_free() -> None:
    """Show allocated credits as free ones that can still be allocated."""
    rewrite(credits.organization_balance, "unallocated(row)", 'row["total_credits"]')


@fault("EP12", "the individual got the status 500, expected 422")
def malformed_id_is_a_server_error() -> None:
    """Pass a mistyped id to the database, so that the user gets a server error."""
    organizations.show.__annotations__["org_id"] = str
    rewrite(organizations.show, "    async with", "    org_id = UUID(org_id)\n    async with")


@fault("EP11", "the admin got the status 201, expected 422")
def organization_on_an_unknown_tier_is_created() -> None:
    """Accept a misspelt tier, so that nobody knows the organisation's quota and price."""
    rewrite(organizations._known_tier, "tier not in tiers.QUOTAS", "False")


@fault("EP13", "the admin got the status 500, expected 422")
def unknown_role_is_a_server_error() -> None:
    """Let only the database stop a misspelt role, so that the admin gets a server error."""
    Invitation.model_fields["role"].annotation = str
    Invitation.model_rebuild(force=True)


@fault("EP3", "the admin got the status", "expected 422")
def half_a_credit_can_be_bought() -> None:
    """Accept fractions of a credit, which are rounded later."""
    Purchase.model_fields["amount"].annotation = float
    Purchase.model_fields["amount"].metadata = Field(gt=0).metadata
    Purchase.model_rebuild(force=True)


@fault("EP4", "the admin got the status 500, expected 404")
def allocation_to_a_stranger_is_a_server_error() -> None:
    """Fail on an allocation to somebody who is not a member, instead of saying so."""
    rewrite(credits._add_to_allocation, "member is None", "False")


@fault("C1.S3", "the member got the code allocation_exhausted, expected insufficient_organization_credits")
def shortage_of_the_organization_is_blamed_on_the_member() -> None:
    """Tell a member to ask for an allocation, though the organisation has no credits left."""
    rewrite(credit_accounts.refusal_of_allocation, "available < credits", "False")


@fault("F2.E3", "the breakdown gives the member 0 credits, expected 18")
def counted_call_does_not_name_the_organization() -> None:
    """Record a member's calls without the organisation, so that the breakdown stays empty."""
    rewrite(reservations.reserve, "call.account and call.account.org_id", "None")


@fault("F2.S7", "the movements of the organisation add up to 10,000 credits")
def charge_does_not_name_the_organization() -> None:
    """Record a member's charge without the organisation, as if the member had paid."""
    rewrite(reservations.settle, "call.account and call.account.org_id", "None")


@fault("F2.S5", "the member got no answer: status 402", "insufficient_credits")
def invited_member_is_not_recognized() -> None:
    """Ignore an invitation by e-mail, so that the invited member pays for themselves."""
    rewrite(organizations._memberships, "OR (user_id IS NULL AND user_email = %s)", "AND %s <> ''")


@fault("F2.E4", "the member got no answer: status 402")
def blocked_member_stays_blocked() -> None:
    """Refuse a member with a used-up allocation even after the admin gave them more."""
    vars(credit_accounts)["_blocked"] = {}
    rewrite(
        Allocation.reserve,
        "if refusal:",
        "refusal = _blocked.get(self.member_id, refusal)\n    if refusal:\n        _blocked[self.member_id] = refusal",
    )


@fault("EP11", "the field created_at is none, expected a time")
def organization_has_no_date() -> None:
    """Leave the creation date out of an organisation's page."""
    rewrite(
        organizations._shown,
        'return {**organization, "created_at": periods.iso(organization["created_at"])}',
        'return {name: value for name, value in organization.items() if name != "created_at"}',
    )


@fault("EP5", "the member has 0 credits of their allocation left in the API, expected 2,500")
def what_is_left_and_what_was_used_are_swapped() -> None:
    """Show what is left as used, so that members ask for more than they need."""
    rewrite(
        credits.my_allocation,
        "return _shown(member)",
        'return {**(said := _shown(member)), "used": said["remaining"], "remaining": said["used"]}',
    )


@fault("EP13", "the field role is admin, expected member")
def invitation_is_confirmed_for_another_role() -> None:
    """Confirm an invitation of a member as one of an admin, so that it is taken back."""
    rewrite(organizations.invite, '"role": invitation.role}', '"role": "admin"}')


def _reserve_nothing() -> None:
    """Check an allocation before the provider is called, and change it only afterwards."""
    rewrite(Allocation.reserve, "await self._move(db, reserved=credits)", "pass")
    rewrite(Allocation.release, "reserved=-reserved", "reserved=0")
    rewrite(Allocation.pay, "reserved=-reserved", "reserved=0")
    rewrite(Allocation.pay, 'left - member["reserved_credits"] + reserved', "left")


def _own_credits_if(table: str, condition: str) -> str:
    """Return the lines that let the caller pay individually when they have such a row."""
    return (
        "    async with services.database.connection() as db:\n"
        f'        query = "SELECT FROM {table} WHERE user_id = %s AND {condition}"\n'
        "        found = await db.execute(query, (caller.user_id,))\n"
        "        if await found.fetchone() is not None:\n"
        "            membership = None\n"
    )


def _keep_letters(request: type[Invitation] | type[NewAllocation], field: str) -> None:
    """Keep an address in capital letters as it was typed."""
    rules = request.model_fields[field].metadata
    request.model_fields[field].metadata = [
        StringConstraints(strip_whitespace=True, max_length=255) if isinstance(rule, StringConstraints) else rule
        for rule in rules
    ]
    request.model_rebuild(force=True)


def _unlimit(request: type[Purchase] | type[NewAllocation], field: str) -> None:
    """Remove the lower limit of a field of a request."""
    of_field = request.model_fields[field]
    of_field.metadata = [rule for rule in of_field.metadata if type(rule).__name__ != "Gt"]
    request.model_rebuild(force=True)


@fault("R4", "the colleague is listed as member, expected none")
def refused_invitation_is_kept() -> None:
    """Refuse a member who adds a colleague, and add the colleague all the same."""
    rewrite(
        organizations.invite,
        f"            await {_ADMIN}\n",
        "            try:\n"
        f"                await {_ADMIN}\n"
        "            except ProblemError:\n"
        "                async with services.database.connection() as early:\n"
        "                    await early.execute(\n"
        '                        "INSERT INTO organization_members (id, org_id, user_email) VALUES (%s, %s, %s)",\n'
        "                        (uuid4(), org_id, invitation.email),\n"
        "                    )\n"
        "                raise\n",
    )


@fault("EP13", "the colleague is listed as member, expected admin")
def invited_admin_becomes_a_mere_member() -> None:
    """Ignore the role of an invitation, so that the founder stays the only admin."""
    rewrite(organizations.invite, "invitation.email, invitation.role)", 'invitation.email, "member")')


@fault("EP13", "the colleague tries to purchase credits and gets 403, expected success")
def only_the_founder_may_decide() -> None:
    """Refuse an admin who did not create the organisation."""
    rewrite(
        organizations.require_admin,
        'membership.role != "admin"',
        'membership.role != "admin" or membership.member_id != (\n'
        "        await (\n"
        "            await db.execute(\n"
        '                "SELECT id FROM organization_members WHERE org_id = %s ORDER BY joined_at", (org_id,)\n'
        "            )\n"
        "        ).fetchone()\n"
        '    )["id"]',
    )


@fault("EP13", "the colleague got no answer: status 402", "insufficient_credits")
def invitation_in_capital_letters_is_for_nobody() -> None:
    """Store the address of an invitation as it was typed, so that its owner is never found."""
    _keep_letters(Invitation, "email")


@fault("F2.P1", "the admin has 0 credits in the API, expected 5,000")
def purchase_is_paid_with_the_admins_own_credits() -> None:
    """Take the credits of a purchase from the admin's own ones, as far as they have some."""
    rewrite(
        credits._purchase,
        "        row = await bought.fetchone()\n",
        "        row = await bought.fetchone()\n"
        "        await db.execute(\n"
        '            "UPDATE user_credits SET credits_remaining = credits_remaining - LEAST(%s, credits_remaining)"\n'
        '            " WHERE user_id = %s",\n'
        "            (amount, caller.user_id),\n"
        "        )\n",
    )


@fault("EP6", "the breakdown gives the admin none credits, expected 48")
def breakdown_leaves_the_admin_out() -> None:
    """Leave the admin's own requests out of the breakdown, so that its sum is not what was spent."""
    rewrite(credits.attribution, "WHERE m.org_id = %s GROUP BY", "WHERE m.org_id = %s AND m.role = 'member' GROUP BY")


@fault("EP6", "the breakdown gives the member 2 calls, expected 1")
def breakdown_shows_requests_with_own_keys() -> None:
    """Show the admin what a member asks with their own key, which is none of the organisation's business."""
    rewrite(credits.attribution, "ON u.org_id = m.org_id AND", "ON (u.org_id = m.org_id OR u.byok) AND")


@fault("EP12", "the organisation's page lists the member with 2,491 allocated credits, expected 2,500")
def page_of_the_organization_shows_what_is_left_as_allocated() -> None:
    """Show in the list of members what is left as what was allocated, so that allocations seem to shrink."""
    rewrite(organizations.show, "allocated_credits AS allocated", "allocated_credits - used_credits AS allocated")


@fault("EP3", "the admin got the status 500, expected 422")
def purchase_beyond_the_largest_number_crashes() -> None:
    """Let the database refuse a purchase that is too large, so that the admin reads of a failure of the platform."""
    rewrite(Database.connection, "psycopg.errors.NumericValueOutOfRange", "ZeroDivisionError")


@fault("EP3", "the admin got the status 201, expected 422")
def purchase_beyond_the_largest_number_is_cut() -> None:
    """Book less than a purchase that is too large, so that the organisation pays for credits that it never gets."""
    rewrite(credits._purchase, "total_credits + %s,", "LEAST(total_credits::bigint + %s, 2147483647),")


@fault("F2.M1", "the organisation has", "credits in the API, expected 1,000")
def purchase_forgets_what_is_spent_meanwhile() -> None:
    """Write a total that was read before, so that charges at the same moment are lost."""
    rewrite(
        credits._purchase,
        "        bought = await db.execute(",
        "        read = await db.execute(\n"
        '            "SELECT total_credits FROM organization_credits WHERE org_id = %s", (org_id,))\n'
        '        before = (await read.fetchone())["total_credits"]\n'
        "        await __import__('asyncio').sleep(0.3)\n"
        "        bought = await db.execute(",
    )
    rewrite(
        credits._purchase,
        '"""UPDATE organization_credits SET total_credits = total_credits + %s',
        'f"""UPDATE organization_credits SET total_credits = {before} + %s',
    )


@fault("F2.S6", "the colleague got no answer: status 402", "insufficient_credits")
def invitation_before_the_account_is_forgotten() -> None:
    """Confirm the invitation of somebody without an account and forget it, so that they never become a member."""

    async def has_an_account(services: Services, email: str) -> bool:
        lago = services.lago
        answer = await lago._http.get(f"{lago._url}/customers", headers=lago._headers)
        return any(customer["email"] == email for customer in answer.json()["customers"])

    async def forget(*_values: object) -> None:
        pass

    vars(organizations).update(has_an_account=has_an_account, forget=forget)
    rewrite(
        organizations.invite,
        "await db.execute(",
        "await (db.execute if await has_an_account(services, invitation.email) else forget)(",
    )


@fault("EP13", "the colleague got no answer: status 403", "no_credit_allocation")
def allocation_in_capital_letters_is_for_nobody() -> None:
    """Look for the address of an allocation as it was typed, so that the admin reads that a member is none."""
    _keep_letters(NewAllocation, "user_email")


@fault("EP13", "the organisation is still there after its removal")
def only_the_founder_may_remove_the_organization() -> None:
    """Refuse to remove an organisation for an admin who did not create it, so that it outlives its founder."""
    rewrite(
        organizations.delete,
        f"await {_ADMIN}\n",
        f"if (await {_ADMIN}).member_id != (await (await db.execute(\n"
        '            "SELECT id FROM organization_members WHERE org_id = %s ORDER BY joined_at", (org_id,)\n'
        '        )).fetchone())["id"]:\n'
        "            raise not_a_member()\n",
    )


@fault("R4", "the organisation's page gives the member 0 credits to spend, expected 2,482")
def list_of_members_follows_a_new_address() -> None:
    """List a member under the address that they have now, so that their admin does not find whom they invited."""
    rewrite(
        organizations._memberships,
        "    return [Membership(",
        "    await db.execute(\n"
        '        "UPDATE organization_members SET user_email = %s WHERE user_id = %s", (caller.email, caller.user_id)\n'
        "    )\n"
        "    return [Membership(",
    )


@fault("R1", "the organisation has 1,000 credits in the API, expected 500")
def double_click_buys_twice() -> None:
    """Look up the key of a purchase among finished ones only, so that a double click buys twice."""
    rewrite(
        credits.purchase,
        "    claim = await idempotency.claim(services.database, caller.user_id, request)\n",
        "    try:\n"
        "        claim = await idempotency.claim(services.database, caller.user_id, request)\n"
        "    except ProblemError as problem:\n"
        '        if problem.code != "idempotency_key_in_progress":\n'
        "            raise\n"
        "        claim = None\n",
    )
    rewrite(
        credits._purchase,
        "    transaction_id = uuid4()\n",
        "    transaction_id = uuid4()\n    await __import__('asyncio').sleep(0.3)\n",
    )


@fault("F2.M1", "of 2 answers did not arrive", "status 500")
def long_answer_takes_what_is_reserved_of_the_allocation() -> None:
    """Charge a long answer to what another request of the member has reserved, which is then lost after its answer."""
    rewrite(Allocation.pay, 'left - member["reserved_credits"] + reserved)', "left)")
