"""Faults of organisations: who pays for a member, what is allocated, and who may decide about it."""

from pydantic import Field

from sandbox.faults import fault, rewrite
from sandbox.ops_center import credits, organizations, payers, purses, reservations
from sandbox.ops_center.credits import NewAllocation, Purchase
from sandbox.ops_center.organizations import Invitation
from sandbox.ops_center.purses import Allocation

_ADMIN = "require_admin(db, org_id, caller)"
_MEMBER = "require_member(db, org_id, caller)"
_CHOICE = "membership = choose(await organizations.memberships(services.database, caller), org_id)\n"


@fault("F2.P5", "the member has 691 credits in the API, expected 700")
def member_spends_their_own_credits_first() -> None:
    """A member who holds credits of their own pays what their organisation should pay."""
    rewrite(payers.purse_of, _CHOICE, _CHOICE + _own_purse_if("user_credits", "credits_remaining > 0"))


@fault("F2.S7", "the member got no answer: status 402", "insufficient_credits")
def member_is_charged_individually() -> None:
    """Members are taken for individuals: their organisation's credits are of no use to them."""
    rewrite(payers.choose, "memberships[0] if memberships else None", "None")


@fault("F2.E1", "the admin got no answer: status 402", "insufficient_credits")
def admin_is_charged_individually() -> None:
    """An admin's own requests are not paid from their allocation but from their own purse."""
    rewrite(
        payers.choose,
        "memberships[0] if memberships else None",
        'memberships[0] if memberships and memberships[0].role == "member" else None',
    )


@fault("F2.M1", "12 answers arrived, expected 10")
def allocation_is_checked_and_deducted_later() -> None:
    """The allocation is checked in one transaction and deducted in another: ten tabs at once outrun it."""
    _hold_nothing()


@fault("F2.S10", "the member got the status 200, expected 402")
def what_was_allocated_is_compared_and_not_what_is_left() -> None:
    """A request is let through while it costs less than was ever allocated, however much of it is used."""
    _hold_nothing()
    rewrite(
        purses.refusal_of_allocation,
        'member["allocated_credits"] - member["used_credits"] - member["reserved_credits"]',
        'member["allocated_credits"]',
    )


@fault("F2.S10", "2 of 2 answers did not arrive", "status 402", "0 of your allocation are available")
def what_was_used_is_compared_and_not_what_is_left() -> None:
    """A request is refused as soon as it costs more than was used before: new members are never answered."""
    rewrite(
        purses.refusal_of_allocation,
        'member["allocated_credits"] - member["used_credits"] - member["reserved_credits"]',
        'member["used_credits"]',
    )


@fault("F2.S7", "the charges on the account of the member are none in unicorn_db (credit_transactions), expected 9")
def charge_is_attributed_to_the_admin() -> None:
    """What a member spends is booked on the admin's name: the books accuse the wrong person."""
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
    """A member's allocation shrinks and the organisation's total does not: the same credits can be spent again."""
    rewrite(
        Allocation._move,
        "total_credits = total_credits - %(used)s",
        "total_credits = total_credits - 0 * %(used)s",
    )


@fault("F2.S7", "the organisation has 7,491 unallocated credits in the API, expected 7,500")
def spent_credits_stay_allocated() -> None:
    """What a member has spent still counts as allocated: the admin can't hand out what is there."""
    rewrite(
        Allocation._move,
        "allocated_credits = allocated_credits - %(used)s",
        "allocated_credits = allocated_credits - 0 * %(used)s",
    )


@fault("F2.S8", "2,500 credits to spend in unicorn_db (organization_members), expected 2,491")
def allocation_is_never_used_up() -> None:
    """The organisation pays and the member's allocation stays whole: a member can spend the whole organisation."""
    rewrite(Allocation._move, "used_credits = used_credits + %(used)s", "used_credits = used_credits + 0 * %(used)s")


@fault("F2.E2", "the second member has 952 credits of their allocation left in the API, expected 1,000")
def every_member_pays_for_one() -> None:
    """What one member spends is taken from every colleague's allocation too."""
    rewrite(
        Allocation._move,
        "WHERE id = %(member)s",
        "WHERE org_id = %(org)s AND (id = %(member)s OR allocated_credits > used_credits + %(used)s)",
    )


@fault("F2.S4", "the member has 500 credits of their allocation left in the API, expected 3,000")
def second_allocation_replaces_the_first() -> None:
    """A top-up takes away what the member had: 500 more on 2,500 makes 500."""
    rewrite(credits._add_to_allocation, "allocated_credits = allocated_credits + %s", "allocated_credits = %s")


@fault("F2.E2", "got the status 200, expected 409")
def more_can_be_allocated_than_there_is() -> None:
    """An admin hands out credits that the organisation does not have: two members are promised the same ones."""
    rewrite(credits.refuse_more_than_unallocated, "credits > unallocated(purse)", "False")
    rewrite(
        credits.allocate,
        "allocated_credits = allocated_credits + %s",
        "allocated_credits = LEAST(total_credits, allocated_credits + %s)",
    )


@fault("F2.E2", "the member has 9,999 credits of their allocation left in the API, expected 10,000")
def last_credit_can_not_be_allocated() -> None:
    """The last unallocated credit is refused to the members, and stays with the organisation for ever."""
    rewrite(credits.refuse_more_than_unallocated, "credits > unallocated(purse)", "credits >= unallocated(purse)")


@fault("R1", "10 succeeded, expected 6")
def allocations_at_once_overwrite_each_other() -> None:
    """What is unallocated is read without a lock: two clicks of the admin hand out the same credits."""
    rewrite(credits.allocate, " FOR NO KEY UPDATE", "")
    rewrite(
        credits.allocate,
        "SET allocated_credits = allocated_credits + %s",
        "SET allocated_credits = LEAST(total_credits, allocated_credits + %s)",
    )


@fault("F2.S4", "the admin got the status 200, expected 422")
def allocation_of_less_than_nothing_is_accepted() -> None:
    """An allocation of nothing, or of less, is accepted, and takes a member's credits away."""
    _unlimit(NewAllocation, "credits")


@fault("F2.S2", "got the status 500, expected 422")
def purchase_of_nothing_is_a_server_error() -> None:
    """A purchase of 0 or fewer credits is only stopped by the database: the admin sees a server error."""
    _unlimit(Purchase, "amount")


@fault("F2.S2", "the movements of the organisation add up to 0 credits")
def purchase_is_not_booked() -> None:
    """The organisation's credits grow and no row says who bought them, or when."""
    rewrite(credits._purchase, "        await db.execute(\n", "        if False: await db.execute(\n")


@fault("F2.S2", "the organisation has 500 credits in the API, expected 10,500")
def purchase_replaces_what_was_there() -> None:
    """A second purchase takes the place of the first: the organisation loses what it had bought."""
    rewrite(
        credits._purchase,
        "total_credits = total_credits + %s",
        "total_credits = GREATEST(allocated_credits, %s)",
    )


@fault("EP3", "the field total_credits is 10,000, expected 10,500")
def purchase_shows_the_credits_from_before() -> None:
    """The answer to a purchase shows the old total: the admin believes that it failed, and buys again."""
    rewrite(
        credits._purchase, '"total_credits": purse["total_credits"]', '"total_credits": purse["total_credits"] - amount'
    )


@fault("EP3", "the repeated purchase reads", "total_credits 20,000")
def repeated_purchase_is_bought_twice() -> None:
    """The idempotency key of a purchase is ignored: a double click costs the organisation twice."""
    rewrite(credits.purchase, "await idempotency.claim(services.database, caller.user_id, request)", "None")


@fault("F2.S2 F2.S3", "the member got the status 201, expected 403")
def member_may_purchase() -> None:
    """Any member can spend the organisation's money on credits."""
    rewrite(credits._purchase, _ADMIN, _MEMBER)


@fault("F2.S3 F2.S4", "the member got the status 200, expected 403")
def member_may_allocate() -> None:
    """A member helps themselves to the organisation's unallocated credits."""
    rewrite(credits.allocate, _ADMIN, _MEMBER)


@fault("F2.S3", "the member got the status 201, expected 403")
def member_may_invite() -> None:
    """A member brings people into the organisation whom the admin does not know."""
    rewrite(organizations.invite, _ADMIN, _MEMBER)


@fault("F2.S3", "the member got the status 200, expected 403")
def member_sees_what_colleagues_spend() -> None:
    """The breakdown of everybody's usage is open to every member."""
    rewrite(credits.usage_attribution, _ADMIN, _MEMBER)


@fault("F2.S3", "the member got the status 204, expected 403")
def member_may_remove_the_organization() -> None:
    """A member can delete the organisation with everybody's credits."""
    rewrite(organizations.delete, _ADMIN, _MEMBER)


@fault("R4", "the stranger got the status 200, expected 403")
def stranger_sees_the_organization() -> None:
    """Whoever learns an organisation's id reads its name and its members' e-mail addresses."""
    rewrite(organizations.show, f"await {_MEMBER}", "pass")


@fault("R4", "the stranger got the status 200, expected 403")
def stranger_sees_the_credits() -> None:
    """Whoever learns an organisation's id reads how many credits it has."""
    rewrite(credits.organization_balance, f"await organizations.{_MEMBER}", "pass")


@fault("R4", "the stranger got the status 404, expected 403")
def strangers_organization_is_denied_to_exist() -> None:
    """Somebody whose invitation is missing is told that the organisation does not exist, and asks in vain."""
    rewrite(
        organizations.require_member,
        "not_a_member() if await found.fetchone() is not None else unknown()",
        "unknown()",
    )


@fault("EP12", "answered with 403, expected 404")
def missing_organization_is_forbidden() -> None:
    """A mistyped organisation is said to be forbidden: the user asks its admin, of whom there is none."""
    rewrite(
        organizations.require_member,
        "not_a_member() if await found.fetchone() is not None else unknown()",
        "not_a_member()",
    )


@fault("F2.S3", "the admin got the status 201, expected 409")
def member_can_be_added_twice() -> None:
    """Adding a member again is taken for done: the admin does not learn that they are there already."""
    rewrite(
        organizations.invite,
        "VALUES (%s, %s, %s, %s)",
        "VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
    )


@fault("F2.S3", "the colleague is listed as admin, expected member")
def invited_member_becomes_an_admin() -> None:
    """Whoever is added may do everything: the role of an invitation is not kept."""
    rewrite(organizations.invite, "invitation.email, invitation.role)", 'invitation.email, "admin")')


@fault("F2.S1", "the admin is listed as member, expected admin")
def founder_is_listed_as_a_mere_member() -> None:
    """Whoever created an organisation is listed without their role: nobody knows whom to ask for credits."""
    rewrite(organizations.show, "SELECT user_email, role,", "SELECT user_email, 'member' AS role,")


@fault("F2.E1", "the second organisation has 5,000 credits in the API, expected 4,991")
def another_organization_pays_than_was_named() -> None:
    """A member of two organisations names one, and the other is charged."""
    rewrite(
        payers.choose, "if membership.org_id == org_id:", "if membership.org_id != org_id or len(memberships) == 1:"
    )


@fault("F2.E1", "the member got no answer: status 400", "organization_required")
def named_organization_is_ignored() -> None:
    """A member of two organisations names one and is asked, again and again, to name one."""
    rewrite(payers.named_organization, "UUID(value) if value else None", "None")


@fault("F2.E1", "the member got the status 200, expected 400")
def first_organization_pays_when_none_is_named() -> None:
    """A member of two organisations forgets to name one, and whichever comes first is charged."""
    rewrite(payers.choose, "len(memberships) > 1", "False")


@fault("F2.E1", "the member got the status 200, expected 403")
def organization_of_others_can_be_named() -> None:
    """Naming an organisation of others is not refused: a request runs on a bill that its sender did not choose."""
    rewrite(payers.choose, "raise organizations.not_a_member()", "return memberships[0] if memberships else None")


@fault("C4.S1", "the member got the status 402, expected 403", "insufficient_credits")
def member_without_an_allocation_pays_alone() -> None:
    """A member to whom nothing was allocated yet is charged individually and never learns what is missing."""
    rewrite(payers.purse_of, _CHOICE, _CHOICE + _own_purse_if("organization_members", "allocated_credits = 0"))


@fault("C4.S1", "the member got the status 402, expected 403", "allocation_exhausted")
def missing_allocation_is_called_an_exhausted_one() -> None:
    """A new member is told that their allocation is used up, although nobody ever gave them one."""
    rewrite(purses.refusal_of_allocation, 'member["allocated_credits"] == 0', "False")


@fault("EP12", "the organisation is still there after its removal")
def removed_organization_goes_on_paying() -> None:
    """Removing an organisation only says that it did: its members go on spending its credits."""
    rewrite(
        organizations.delete,
        "DELETE FROM organizations WHERE id = %s",
        "UPDATE organizations SET id = id WHERE id = %s",
    )


@fault("F2.S9", "the breakdown gives the member 66 credits, expected 18")
def breakdown_gives_everybody_the_whole() -> None:
    """Every member appears with what all of them spent: the admin accuses the wrong people."""
    rewrite(credits.attribution, "AND u.user_id = m.user_id ", "")


@fault("F2.S9", "the breakdown gives the member 200 credits, expected 18")
def breakdown_shows_tokens_for_credits() -> None:
    """The breakdown adds up tokens and calls them credits, ten times of what was spent."""
    rewrite(credits.attribution, "sum(u.credits)", "sum(u.tokens)")


@fault("F2.S9", "the breakdown gives the second member none credits, expected 48")
def breakdown_lacks_the_last_member() -> None:
    """One member is missing in the breakdown: their spending is nobody's."""
    rewrite(credits.attribution, "return await found.fetchall()", "return (await found.fetchall())[:2]")


@fault("F2.E1", "the breakdown gives the member 9 credits, expected 0")
def breakdown_counts_what_is_spent_elsewhere() -> None:
    """What a member spends in another organisation appears in this one's breakdown."""
    rewrite(credits.attribution, "u.org_id = m.org_id AND ", "")


@fault("EP6", "the breakdown gives the member none credits, expected 0")
def breakdown_leaves_out_who_spent_nothing() -> None:
    """Members without usage are not in the breakdown, so that the admin can't see who needs no credits."""
    rewrite(credits.attribution, "LEFT JOIN", "JOIN")


@fault("F2.S8", "the member has 2,500 credits of their allocation left in the API, expected 2,491")
def remaining_allocation_ignores_what_was_used() -> None:
    """A member reads their whole allocation as what is left and is refused without understanding why."""
    rewrite(credits._shown, "allocated - used}", "allocated}")


@fault("F2.S8", "the member has used 0 credits of their allocation in the API, expected 9")
def used_allocation_is_not_shown() -> None:
    """A member's own page says that they have used nothing."""
    rewrite(credits._shown, '"used": used', '"used": 0')


@fault("F2.S8", "the organisation's page gives the member 2,500 credits to spend, expected 2,491")
def page_of_the_organization_is_stale() -> None:
    """The list of members shows nobody's spending: the admin sees full allocations that are empty."""
    rewrite(organizations.show, "used_credits AS used", "0 AS used")


@fault("EP2", "the field unallocated_credits is 10,000, expected 7,500")
def allocated_credits_are_shown_as_free() -> None:
    """The organisation's page offers credits to allocate that members hold already."""
    rewrite(credits.organization_balance, "unallocated(purse)", 'purse["total_credits"]')


@fault("EP12", "the individual got the status 500, expected 422")
def malformed_id_is_a_server_error() -> None:
    """A mistyped id is handed to the database as it is: the user sees a server error and suspects the platform."""
    organizations.show.__annotations__["org_id"] = str
    rewrite(organizations.show, "    async with", "    org_id = UUID(org_id)\n    async with")


@fault("F2.S3", "the admin got the status 201, expected 422")
def organization_on_an_unknown_tier_is_created() -> None:
    """A misspelt tier is accepted, and nobody knows which quota and price the organisation has."""
    rewrite(organizations._known_tier, "tier not in tiers.QUOTAS", "False")


@fault("F2.S3", "the admin got the status 500, expected 422")
def unknown_role_is_a_server_error() -> None:
    """A misspelt role is only stopped by the database: the admin sees a server error."""
    Invitation.model_fields["role"].annotation = str
    Invitation.model_rebuild(force=True)


@fault("F2.S2", "expected 422")
def half_a_credit_can_be_bought() -> None:
    """Fractions of a credit are accepted where none may exist, and are rounded somewhere on the way."""
    Purchase.model_fields["amount"].annotation = float
    Purchase.model_fields["amount"].metadata = Field(gt=0).metadata
    Purchase.model_rebuild(force=True)


@fault("F2.S4", "the admin got the status 500, expected 404")
def allocation_to_a_stranger_is_a_server_error() -> None:
    """An allocation to somebody who was never invited fails on the missing row instead of saying so."""
    rewrite(credits._add_to_allocation, "member is None", "False")


@fault("C1.S3", "the member got the code allocation_exhausted, expected insufficient_organization_credits")
def shortage_of_the_organization_is_blamed_on_the_member() -> None:
    """The organisation has run dry, and the member is told to ask for an allocation that the admin can't give."""
    rewrite(purses.refusal_of_allocation, "available < credits", "False")


@fault("F2.S9", "the breakdown gives the member 0 credits, expected 18")
def counted_call_does_not_name_the_organization() -> None:
    """A member's calls are recorded without their organisation: the admin's breakdown stays empty."""
    rewrite(reservations.reserve, "call.purse and call.purse.org_id", "None")


@fault("F2.S7", "the movements of the organisation add up to 10,000 credits")
def charge_does_not_name_the_organization() -> None:
    """A member's charge is booked without the organisation that paid it, as if the member had paid."""
    rewrite(reservations.settle, "call.purse and call.purse.org_id", "None")


@fault("F2.S5", "the member got no answer: status 402", "insufficient_credits")
def invited_member_is_not_recognized() -> None:
    """Whoever was invited by e-mail is not found when they sign in, and pays for themselves."""
    rewrite(organizations._memberships, "OR (user_id IS NULL AND user_email = %s)", "AND %s <> ''")


@fault("F2.E4", "the member got no answer: status 402")
def blocked_member_stays_blocked() -> None:
    """A member who had used their allocation up is refused after the admin gave them more."""
    vars(purses)["_blocked"] = {}
    rewrite(
        Allocation.hold,
        "if refusal:",
        "refusal = _blocked.get(self.member_id, refusal)\n    if refusal:\n        _blocked[self.member_id] = refusal",
    )


@fault("EP11", "created_at")
def organization_has_no_date() -> None:
    """Nobody can tell since when an organisation is there: its page leaves the date out."""
    rewrite(
        organizations._shown,
        'return {**organization, "created_at": periods.iso(organization["created_at"])}',
        'return {name: value for name, value in organization.items() if name != "created_at"}',
    )


@fault("EP5", "expected 2,500")
def what_is_left_and_what_was_used_are_swapped() -> None:
    """A member reads as spent what is left to them, and asks the admin for more than they need."""
    rewrite(
        credits.my_allocation,
        "return _shown(member)",
        'return {**(said := _shown(member)), "used": said["remaining"], "remaining": said["used"]}',
    )


@fault("EP13", "admin, expected member")
def invitation_is_confirmed_for_another_role() -> None:
    """The answer to an invitation calls a mere member an admin, and whoever invited them takes it back in fright."""
    rewrite(organizations.invite, '"role": invitation.role}', '"role": "admin"}')


def _hold_nothing() -> None:
    """Let an allocation be looked at before the provider is called, and touched only afterwards."""
    rewrite(Allocation.hold, "await self._move(db, held=credits)", "pass")
    rewrite(Allocation.release, "held=-held", "held=0")
    rewrite(Allocation.pay, "held=-held", "held=0")
    rewrite(Allocation.pay, 'left - member["reserved_credits"] + held', "left")


def _own_purse_if(table: str, condition: str) -> str:
    """The lines that let the caller pay individually when they have such a row."""
    return (
        "    async with services.database.connection() as db:\n"
        f'        query = "SELECT FROM {table} WHERE user_id = %s AND {condition}"\n'
        "        found = await db.execute(query, (caller.user_id,))\n"
        "        if await found.fetchone() is not None:\n"
        "            membership = None\n"
    )


def _unlimit(request: type[Purchase] | type[NewAllocation], field: str) -> None:
    """Take the lowest figure off a field of a request."""
    of_field = request.model_fields[field]
    of_field.metadata = [rule for rule in of_field.metadata if type(rule).__name__ != "Gt"]
    request.model_rebuild(force=True)
