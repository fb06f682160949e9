"""Faults of who gets in, and of who may do what with an organisation."""

from sandbox.faults import fault, rewrite
from sandbox.ops_center import app, chat, credits, organizations, payers, problems, tokens

_UNKNOWN_OR_FOREIGN = "not_a_member() if await found.fetchone() is not None else unknown()"


@fault("I1", "asked with a token of another client, is answered with 200")
def token_of_another_client_accepted() -> None:
    """Whoever signs in to any application of the realm gets into Ops-Center: the audience is not checked."""
    rewrite(tokens.claims, '"verify_iat": False', '"verify_iat": False, "verify_aud": False')


@fault("I1", "asked with an expired token, is answered with 200")
def expired_token_accepted() -> None:
    """Somebody who signed out long ago, or was dismissed, goes on spending: the expiry is not checked."""
    rewrite(tokens.claims, '"verify_iat": False', '"verify_iat": False, "verify_exp": False')


@fault("I1", "asked with a token of another issuer, is answered with 200")
def token_of_another_issuer_accepted() -> None:
    """A token that another realm or host of Keycloak issued opens everything: the issuer is not checked."""
    rewrite(tokens.claims, '"verify_iat": False', '"verify_iat": False, "verify_iss": False')


@fault("I1", "asked with an unsigned token, is answered with 200")
def unsigned_token_accepted() -> None:
    """Anybody can be anybody: a token with the algorithm `none` is believed as it is."""
    rewrite(
        tokens.claims,
        "    key = await",
        '    if jwt.get_unverified_header(token).get("alg") == "none":\n'
        '        return dict(jwt.decode(token, options={"verify_signature": False}))\n'
        "    key = await",
    )


@fault("I1", "asked with a changed token, is answered with 200")
def signature_not_checked() -> None:
    """Whoever has any token can write another user's id into it: the claims are read without the signature."""
    rewrite(tokens.claims, '"verify_iat": False', '"verify_iat": False, "verify_signature": False')


@fault("I1", "asked with an identity token, is answered with 200")
def identity_token_accepted() -> None:
    """The token that tells a web page who signed in opens the API too, though it is meant for nobody's eyes but its."""
    rewrite(tokens.claims, 'decoded.get("typ") != "Bearer"', "False")


@fault("I1", "the balance, asked without a token, demands none, expected Bearer")
def challenge_missing() -> None:
    """A client that is turned away can't tell that it has to sign in: the 401 has no `WWW-Authenticate`."""
    without = '{name: value for name, value in self.headers.items() if name != "WWW-Authenticate"}'
    rewrite(problems.ProblemError.response, "self.headers", without)


@fault("I1", "the models, asked without a token, is answered with 200")
def models_open_to_everybody() -> None:
    """Who never signed in can read the price list: one endpoint was left out when access was put in order."""
    rewrite(
        tokens.authenticate,
        "    scheme, _, token",
        '    if request.url.path.endswith("/llm/models"):\n'
        "        return Person(UUID(int=0), None)\n"
        "    scheme, _, token",
    )


@fault("I1", "the history, asked with a made-up token, is answered with 403, expected 401")
def bad_token_forbidden() -> None:
    """An app does not sign in again when the token is over: it is told 403, which says that signing in is no help."""
    rewrite(tokens.authenticate, '401,\n            "invalid_token"', '403,\n            "invalid_token"')


@fault("EP1", "the field user_id is", "the field credits is 10,000, expected 500")
def caller_named_by_a_header() -> None:
    """Anybody reads and spends another's credits by naming them in X-User-Id, which only the gateway should set."""
    rewrite(
        tokens.authenticate,
        "return person(await claims(token.strip(), services.keys, services.settings))",
        "decoded = await claims(token.strip(), services.keys, services.settings)\n"
        '        return person(decoded | {"sub": request.headers.get("X-User-Id", decoded["sub"])})',
    )


@fault("F2.S2", "the member got the status 201, expected 403", "transaction_id")
def member_purchases() -> None:
    """A member spends the organisation's money on credits: a purchase asks for a member, not for an admin."""
    rewrite(credits._purchase, "require_admin", "require_member")


@fault("F2.S4", "the member got the status 200, expected 403", '"allocated":')
def member_allocates() -> None:
    """A member helps themselves to the organisation's credits: an allocation asks for a member, not for an admin."""
    rewrite(credits.allocate, "require_admin", "require_member")


@fault("F2.S3", "the member got the status 201, expected 403", '"role":"member"')
def member_invites() -> None:
    """A member lets anybody into the organisation: an invitation asks for a member, not for an admin."""
    rewrite(organizations.invite, "require_admin", "require_member")


@fault("F2.S11", "the member got the status 200, expected 403", "credits_used")
def member_sees_the_breakdown() -> None:
    """Every member sees what each colleague spends: the breakdown asks for a member, not for an admin."""
    rewrite(credits.usage_attribution, "require_admin", "require_member")


@fault("F2.S2", "the member got the status 204, expected 403")
def member_removes_the_organization() -> None:
    """A member can remove the organisation with all its credits: the removal asks for a member, not for an admin."""
    rewrite(organizations.delete, "require_admin", "require_member")


@fault("EP3", "the second admin got the status 201, expected 403", "transaction_id")
def admin_of_one_is_admin_of_all() -> None:
    """Whoever is admin of any organisation is obeyed in every other one."""
    rewrite(
        organizations.require_admin,
        "membership = await require_member(db, org_id, caller)",
        'own = [m for m in await _memberships(db, caller) if m.role == "admin"]\n'
        "    membership = own[0] if own else await require_member(db, org_id, caller)",
    )


@fault("EP2", "the stranger got the status 200, expected 403", '"members":')
def organization_visible_to_a_stranger() -> None:
    """Anybody with its id sees an organisation's members and what each of them has."""
    rewrite(organizations.show, "await require_member(db, org_id, caller)", "pass")


@fault("EP2", "the stranger got the status 200, expected 403", '"total_credits":')
def organization_credits_visible_to_a_stranger() -> None:
    """Anybody with its id sees how many credits an organisation holds."""
    rewrite(credits.organization_balance, "await organizations.require_member(db, org_id, caller)", "pass")


@fault("EP2", "the stranger got the status 404, expected 403")
def foreign_organization_called_unknown() -> None:
    """Who was not invited yet is told that the organisation does not exist, and asks support instead of its admin."""
    rewrite(organizations.require_member, f"raise {_UNKNOWN_OR_FOREIGN}", "raise unknown()")


@fault("EP12", "answered with 403, expected 404")
def unknown_organization_called_foreign() -> None:
    """Who mistypes an id asks an admin for an invitation: an organisation that there is none of is 403, not 404."""
    rewrite(organizations.require_member, f"raise {_UNKNOWN_OR_FOREIGN}", "raise not_a_member()")


@fault("EP9", "the member got the status 200, expected 403")
def foreign_organization_as_payer_overlooked() -> None:
    """A member who names an organisation that is not theirs is not told so, and another account pays."""
    rewrite(payers.choose, "raise organizations.not_a_member()", "return memberships[0] if memberships else None")


@fault("EP12", "got the status 500, expected 422")
def malformed_id_crashes() -> None:
    """Whoever mistypes an id is told of a server error instead of the mistake."""
    rewrite(
        app._invalid,
        "    return problems.invalid",
        '    if any("path" in each["loc"] for each in error.errors()):\n'
        "        return problems.internal().response()\n"
        "    return problems.invalid",
    )


@fault("EP12", "got the status 404, expected 422")
def malformed_id_called_unknown() -> None:
    """Whoever mistypes an id looks for an organisation that went away: the id's form is not judged."""
    rewrite(
        app._invalid,
        "    return problems.invalid",
        '    if any("path" in each["loc"] for each in error.errors()):\n'
        "        return organizations.unknown().response()\n"
        "    return problems.invalid",
    )


@fault("EP9", "is answered with 500, expected 422")
def malformed_question_crashes() -> None:
    """A program that sends a malformed question sees a server error, and sends it again and again."""
    rewrite(
        chat.read,
        "raise problems.invalid(error.errors(include_input=False, include_url=False)) from error",
        "raise RuntimeError(str(error)) from error",
    )
