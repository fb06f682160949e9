"""Faults of sign-in, and of permissions in an organisation."""

from sandbox.faults import fault, rewrite
from sandbox.ops_center import app, byok, chat, credits, organizations, payers, problems, tokens
from sandbox.ops_center.tokens import Person

_UNKNOWN_OR_FOREIGN = "not_a_member() if await found.fetchone() is not None else unknown()"


@fault("I1", "asked with a token of another client, is answered with 200")
def token_of_another_client_accepted() -> None:
    """Skip the check of the audience, so that a token for any application of the realm opens Ops-Center."""
    rewrite(tokens.claims, '"verify_iat": False', '"verify_iat": False, "verify_aud": False')


@fault("I1", "asked with an expired token, is answered with 200")
def expired_token_accepted() -> None:
    """Skip the check of the expiry, so that somebody who signed out long ago can still spend."""
    rewrite(tokens.claims, '"verify_iat": False', '"verify_iat": False, "verify_exp": False')


@fault("I1", "asked with a token of another issuer, is answered with 200")
def token_of_another_issuer_accepted() -> None:
    """Skip the check of the issuer, so that a token of another realm opens everything."""
    rewrite(tokens.claims, '"verify_iat": False', '"verify_iat": False, "verify_iss": False')


@fault("I1", "asked with an unsigned token, is answered with 200")
def unsigned_token_accepted() -> None:
    """Accept tokens with the algorithm `none`, so that anybody can be anybody."""
    rewrite(
        tokens.claims,
        "    key = await",
        '    if jwt.get_unverified_header(token).get("alg") == "none":\n'
        '        return dict(jwt.decode(token, options={"verify_signature": False}))\n'
        "    key = await",
    )


@fault("I1", "asked with a changed token, is answered with 200")
def signature_not_checked() -> None:
    """Skip the check of the signature, so that anybody can write another user's id into a token."""
    rewrite(tokens.claims, '"verify_iat": False', '"verify_iat": False, "verify_signature": False')


@fault("I1", "asked with an identity token, is answered with 200")
def identity_token_accepted() -> None:
    """Accept an identity token, which is only meant for the page that a user signs in to."""
    rewrite(tokens.claims, 'decoded.get("typ") != "Bearer"', "False")


@fault("I1", "the balance, asked without a token, demands none, expected Bearer")
def challenge_missing() -> None:
    """Leave `WWW-Authenticate` out of the 401, so that a client can't tell that it has to sign in."""
    without = '{name: value for name, value in self.headers.items() if name != "WWW-Authenticate"}'
    rewrite(problems.ProblemError.response, "self.headers", without)


@fault("I1", "the models, asked without a token, is answered with 200")
def models_open_to_everybody() -> None:
    """Show the price list without a token."""
    rewrite(
        tokens.authenticate,
        "    scheme, _, token",
        '    if request.url.path.endswith("/llm/models"):\n'
        "        return Person(UUID(int=0), None)\n"
        "    scheme, _, token",
    )


@fault("I1", "the history, asked with a made-up token, is answered with 403, expected 401")
def bad_token_forbidden() -> None:
    """Answer 403 for an expired token, so that an app does not sign in again."""
    rewrite(tokens.authenticate, '401,\n            "invalid_token"', '403,\n            "invalid_token"')


@fault("EP1", "the field user_id is", "the field credits is 10,000, expected 500")
def caller_named_by_a_header() -> None:
    """Trust the header X-User-Id, so that anybody can read and spend another user's credits."""
    rewrite(
        tokens.authenticate,
        "return person(await claims(token.strip(), services.keys, services.settings))",
        "decoded = await claims(token.strip(), services.keys, services.settings)\n"
        '        return person(decoded | {"sub": request.headers.get("X-User-Id", decoded["sub"])})',
    )


@fault("R4", "the member got the status 201, expected 403", "transaction_id")
def member_purchases() -> None:
    """Let any member purchase, so that they spend the organisation's money."""
    rewrite(credits._purchase, "require_admin", "require_member")


@fault("R4", "the member got the status 200, expected 403", '"allocated":')
def member_allocates() -> None:
    """Let any member allocate, so that they take the organisation's credits for themselves."""
    rewrite(credits.allocate, "require_admin", "require_member")


@fault("R4", "the member got the status 201, expected 403", '"role":"member"')
def member_invites() -> None:
    """Let any member invite, so that they bring anybody into the organisation."""
    rewrite(organizations.invite, "require_admin", "require_member")


@fault("R4", "the member got the status 200, expected 403", "credits_used")
def member_sees_the_breakdown() -> None:
    """Show the breakdown to any member, so that everybody sees what each colleague spends."""
    rewrite(credits.usage_attribution, "require_admin", "require_member")


@fault("R4", "the member got the status 204, expected 403")
def member_removes_the_organization() -> None:
    """Let any member remove the organisation with all its credits."""
    rewrite(organizations.delete, "require_admin", "require_member")


@fault("R4", "the second admin got the status 201, expected 403", "transaction_id")
def admin_of_one_is_admin_of_all() -> None:
    """Accept the admin of any organisation as the admin of every other one."""
    rewrite(
        organizations.require_admin,
        "membership = await require_member(db, org_id, caller)",
        'own = [m for m in await _memberships(db, caller) if m.role == "admin"]\n'
        "    membership = own[0] if own else await require_member(db, org_id, caller)",
    )


@fault("R4", "the stranger got the status 200, expected 403", '"members":')
def organization_visible_to_a_stranger() -> None:
    """Show anybody an organisation's members and their credits."""
    rewrite(organizations.show, "await require_member(db, org_id, caller)", "pass")


@fault("R4", "the stranger got the status 200, expected 403", '"total_credits":')
def organization_credits_visible_to_a_stranger() -> None:
    """Show anybody how many credits an organisation has."""
    rewrite(credits.organization_balance, "await organizations.require_member(db, org_id, caller)", "pass")


@fault("R4", "who is no member, asks for an allocation and gets 404, expected 403")
def foreign_organization_called_unknown() -> None:
    """Answer 404 to a non-member, so that they ask support for an invitation instead of the admin."""
    rewrite(organizations.require_member, f"raise {_UNKNOWN_OR_FOREIGN}", "raise unknown()")


@fault("EP12", "answered with 403, expected 404")
def unknown_organization_called_foreign() -> None:
    """Answer 403 for an unknown organisation, so that the user asks for an invitation that can't be given."""
    rewrite(organizations.require_member, f"raise {_UNKNOWN_OR_FOREIGN}", "raise not_a_member()")


@fault("EP9", "the member got the status 200, expected 403")
def foreign_organization_as_payer_overlooked() -> None:
    """Ignore that a named organisation is not the member's, so that another account pays."""
    rewrite(payers.choose, "raise organizations.not_a_member()", "return memberships[0] if memberships else None")


@fault("EP12", "the individual got the status 500, expected 422")
def malformed_id_crashes() -> None:
    """Answer a malformed id with a server error instead of naming the mistake."""
    rewrite(
        app._invalid,
        "    return problems.invalid",
        '    if any("path" in each["loc"] for each in error.errors()):\n'
        "        return problems.internal().response()\n"
        "    return problems.invalid",
    )


@fault("EP12", "the individual got the status 404, expected 422")
def malformed_id_called_unknown() -> None:
    """Answer 404 for a malformed id, so that the user looks for a removed organisation."""
    rewrite(
        app._invalid,
        "    return problems.invalid",
        '    if any("path" in each["loc"] for each in error.errors()):\n'
        "        return organizations.unknown().response()\n"
        "    return problems.invalid",
    )


@fault("EP9", "is answered with 500, expected 422")
def malformed_question_crashes() -> None:
    """Answer a malformed question with a server error, so that a program sends it again and again."""
    rewrite(
        chat.read,
        "raise problems.invalid(error.errors(include_input=False, include_url=False)) from error",
        "raise RuntimeError(str(error)) from error",
    )


@fault("R4", "the colleague has 700 credits in the API, expected 691")
def invitation_is_taken_up_unverified() -> None:
    """Let anybody take up an invitation who writes its address into their account."""
    rewrite(Person.verified_email.fget, "self.email if self.email_verified else None", "self.email")  # type: ignore[attr-defined]


@fault("F2.S6", "the colleague: ", "Ops-Center answered 403, expected 200")
def verified_address_is_noticed_never() -> None:
    """Remember who once came with an unverified address, and never let them take up their invitation."""
    vars(tokens)["_unverified"] = set()
    rewrite(
        Person.verified_email.fget,  # type: ignore[attr-defined]
        "return self.email if",
        "self.email_verified or _unverified.add(self.user_id)\n"
        "    return self.email if self.user_id not in _unverified and",
    )


@fault("R4", "the stranger has 500 credits in the API, expected 491")
def former_address_gives_a_membership() -> None:
    """Find members by their address only, so that its next owner spends the allocation."""
    rewrite(organizations._memberships, "OR (user_id IS NULL AND user_email = %s)", "OR user_email = %s")


@fault("R4", "the colleague has 700 credits in the API, expected 691")
def own_key_takes_an_invitation_up() -> None:
    """Make somebody a member who only stores a key of their own, before they ask for anything on the platform's."""
    vars(byok)["organizations"] = organizations
    rewrite(
        byok.store,
        "    async with services.database.connection() as db:\n",
        "    await organizations.memberships(services.database, caller)\n"
        "    async with services.database.connection() as db:\n",
    )


@fault("R4", "the member got no answer: status 402", "insufficient_credits")
def new_address_loses_the_membership() -> None:
    """Forget a member who changes their address, so that they lose their allocation."""
    rewrite(
        organizations._memberships,
        "WHERE user_id = %s OR (user_id IS NULL AND user_email = %s)",
        "WHERE %s::uuid IS NOT NULL AND user_email = %s",
    )


@fault("I1", "the individual got no answer: status 401")
def everybody_needs_an_address() -> None:
    """Refuse the token of a user without an e-mail address, who needs none to pay with their own credits."""
    rewrite(tokens.person, "    return Person(", '    decoded["email"]\n    return Person(')
    rewrite(tokens.authenticate, "ValueError, AttributeError", "ValueError, KeyError, AttributeError")


@fault("I1", "the individual got the status 500, expected 422")
def missing_address_is_a_server_error() -> None:
    """Let only the database stop an organisation of somebody without an address."""
    rewrite(organizations.create, "caller.email is None", "False")


@fault("I1", "the individual, whose account is disabled, sends an expired token and gets 200, expected 401")
def known_users_need_no_new_token() -> None:
    """Accept the expired token of everybody who was here before, so that a disabled user goes on for ever."""
    vars(tokens)["_known"] = set()
    rewrite(
        tokens.claims,
        '"verify_iat": False}',
        '"verify_iat": False, "verify_exp": '
        'jwt.decode(token, options={"verify_signature": False}).get("sub") not in _known}',
    )
    rewrite(tokens.claims, "    return decoded", '    _known.add(decoded["sub"])\n    return decoded')
