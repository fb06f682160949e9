"""The account of an organisation: its credits, its members' allocations and its usage breakdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from creditflow.actors.people import Organization, Person
from creditflow.checks.account_base import API, MEMBERS, MOVEMENTS, POOLS, AccountBase
from creditflow.core.expect import Finding, agree, holds
from creditflow.target.drivers.http import Reply, objects, whole
from creditflow.target.drivers.postgres import Row


def is_address_of(person: Person, email: object) -> bool:
    """Return whether this is a person's e-mail address, in any case of letters."""
    return str(email).lower() == person.email


class OrganizationAccount(AccountBase):
    """Checks of what organisations have, allocate and pay."""

    def organization(self, organization: Organization, total: int, unallocated: int | None = None) -> None:
        """Require an organisation's credits in the API, in `organization_credits`, and as the sum of its movements.

        The allocated credits are required too: the difference to `unallocated`, or without it what the members have.
        """
        people = (organization.admin, *organization.members)
        total += self._price_difference(answer for p in people for answer in self._paid_by(p, organization))
        fields = self._fields(self.target.ops_center.organization_credits(organization.admin.token, organization.id))
        none = {"total_credits": 0, "allocated_credits": 0}
        row = self.target.unicorn.organization_credits(organization.id) or none
        moved = sum(m["amount"] for m in self.target.unicorn.movements(org_id=organization.id))
        left = sum(m["allocated_credits"] - m["used_credits"] for m in self.target.unicorn.members(organization.id))
        allocated = left if unallocated is None else total - unallocated
        who = organization.alias
        findings = [
            Finding(f"{who} has", fields.get("total_credits"), total, "credits", API),
            Finding(f"{who} has", row["total_credits"], total, "credits", POOLS),
            Finding(f"the movements of {who} add up to", moved, total, "credits", MOVEMENTS),
            Finding(f"{who} has", fields.get("allocated_credits"), allocated, "allocated credits", API),
            Finding(f"{who} has", row["allocated_credits"], allocated, "allocated credits", POOLS),
        ]
        if unallocated is not None:
            findings += [
                Finding(f"{who} has", fields.get("unallocated_credits"), unallocated, "unallocated credits", API),
                Finding(f"the members of {who} have", left, allocated, "credits to spend", MEMBERS),
            ]
        agree(findings, self._recorded_of(organization))

    def listed(self, person: Person, organization: Organization, roles: Sequence[str]) -> None:
        """Require the roles with which the organisation's page lists a person: one, or none for a non-member."""
        reply = self.target.ops_center.organization(organization.admin.token, organization.id)
        members = objects(self._fields(reply).get("members"))
        found = [member.get("role") for member in members if is_address_of(person, member.get("user_email"))]
        agree([Finding(f"{person.alias} is listed as", found, list(roles))], lambda: reply.text[:300])

    def people(
        self, reply: Reply, organization: Organization, expected: Sequence[tuple[Person, str, int, int]]
    ) -> None:
        """Require that a page of an organisation lists these people and nobody else.

        Args:
            reply: the page.
            organization: the organisation.
            expected: each person with their role, and their allocated and used credits.
        """
        members = objects(self._fields(reply).get("members"))
        rows = {str(member.get("user_email")).lower(): member for member in members}
        findings = [Finding("the organisation's page lists", len(members), len(expected), "people")]
        for person, role, allocated, used in expected:
            row, who = rows.get(person.email, {}), f"the organisation's page lists {person.alias}"
            cost = used - self._price_difference(self._paid_by(person, organization))
            findings += [
                Finding(f"{who} as", row.get("role"), role),
                Finding(f"{who} with", row.get("allocated"), allocated, "allocated credits"),
                Finding(f"{who} with", row.get("used"), cost, "used credits"),
            ]
        agree(findings, lambda: f"the page reads {reply.text[:300]}")

    def stays_out(self, person: Person, organization: Organization) -> None:
        """Require that a person is no member: not listed, not recorded, and refused by the organisation."""
        recorded = [
            row["role"]
            for row in self.target.unicorn.members(organization.id)
            if is_address_of(person, row["user_email"])
        ]
        self.listed(person, organization, [])
        reply = self.target.ops_center.my_allocation(person.token, organization.id)
        agree(
            [
                Finding(f"{person.alias} is recorded as", recorded, [], system=MEMBERS),
                Finding(f"{person.alias}, who is no member, asks for an allocation and gets", reply.status, 403),
            ],
            self._recorded_of(organization),
        )

    def charged_to(self, person: Person, organization: Organization, amount: int) -> None:
        """Require one movement that names both the organisation that pays and the member who asked: this charge."""
        rows = self.target.unicorn.movements(org_id=organization.id, user_id=person.id)
        found, expected = [-row["amount"] for row in rows], self._expected_charges(person, [amount])
        agree(
            [Finding("the charges that name both are", found, expected, system=MOVEMENTS)],
            self._recorded_of(organization),
        )

    def allocation(self, person: Person, organization: Organization, remaining: int) -> None:
        """Require the rest of a member's allocation in the API, `organization_members`, and the organisation's page."""
        remaining += self._price_difference(self._paid_by(person, organization))
        mine = self._fields(self.target.ops_center.my_allocation(person.token, organization.id))
        row = self._member(person, organization)
        page = self._fields(self.target.ops_center.organization(organization.admin.token, organization.id))
        members = objects(page.get("members"))
        listed: dict[str, Any] = next((m for m in members if is_address_of(person, m.get("user_email"))), {})
        given, used = whole(listed.get("allocated", 0)), whole(listed.get("used", 0))
        on_page = given - used if given is not None and used is not None else str(listed)[:200]
        who, unit = person.alias, "credits of their allocation left"
        agree(
            [
                Finding(f"{who} has", mine.get("remaining"), remaining, unit, API),
                Finding(f"{who} has", row["allocated_credits"] - row["used_credits"], remaining, unit, MEMBERS),
                Finding(f"the organisation's page gives {who}", on_page, remaining, "credits to spend"),
            ],
            self._recorded(person),
        )

    def used(self, person: Person, organization: Organization, expected: int) -> None:
        """Require what a member has used of their allocation, in the API and in `organization_members`."""
        expected -= self._price_difference(self._paid_by(person, organization))
        mine = self._fields(self.target.ops_center.my_allocation(person.token, organization.id))
        row, unit = self._member(person, organization), "credits of their allocation"
        agree(
            [
                Finding(f"{person.alias} has used", mine.get("used"), expected, unit, API),
                Finding(f"{person.alias} has used", row["used_credits"], expected, unit, MEMBERS),
            ],
            self._recorded(person),
        )

    def removed(self, organization: Organization) -> None:
        """Require that an organisation is gone with its credits and members, and that its movements are kept."""
        reply = self.target.ops_center.organization(organization.admin.token, organization.id)
        unicorn, still = self.target.unicorn, f"{organization.alias} is still there after its removal:"
        agree(
            [
                Finding(f"{still} its page is answered with", reply.status, 404),
                Finding(f"{still} organization_credits has", unicorn.organization_credits(organization.id), None),
                Finding(f"{still} it has", len(unicorn.members(organization.id)), 0, "members", MEMBERS),
            ],
        )
        movements = unicorn.movements(org_id=organization.id)
        holds(bool(movements), f"the movements of {organization.alias} are gone with it (credit_transactions)")

    def attribution(self, organization: Organization, expected: Sequence[tuple[Person, int, int]]) -> None:
        """Require the usage breakdown: each person's used credits and calls, and no usage of anybody else."""
        self.breakdown(
            self.target.ops_center.usage_attribution(organization.admin.token, organization.id), organization, expected
        )

    def breakdown(self, reply: Reply, organization: Organization, expected: Sequence[tuple[Person, int, int]]) -> None:
        """Require an answer with the usage breakdown: each person's used credits and calls, and no usage of others."""
        self._fields(reply)
        rows = {str(row.get("user_email")).lower(): row for row in objects(reply.items)}
        findings = []
        for person, credits, calls in expected:
            row = rows.pop(person.email, {})
            cost = credits - self._price_difference(self._paid_by(person, organization))
            gives, user = f"the breakdown gives {person.alias}", row.get("user_id")
            findings += [
                Finding(gives, row.get("credits_used"), cost, "credits"),
                Finding(gives, row.get("api_calls"), calls, "calls"),
                Finding(f"{gives} the user id", user, person.id if calls else user),
            ]
        others = [row for row in rows.values() if row.get("credits_used") or row.get("api_calls")]
        findings.append(Finding("the breakdown shows usage of", len(others), 0, "others"))
        agree(findings, self._recorded_of(organization))

    def _member(self, person: Person, organization: Organization) -> Row:
        rows = self.target.unicorn.members(organization.id)
        found = next((row for row in rows if is_address_of(person, row["user_email"])), None)
        return found or {"allocated_credits": 0, "used_credits": 0}
