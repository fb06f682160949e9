"""Faults of refusals: status, code, message, links, headers, and effects that a refusal must not have."""

from sandbox.faults import fault, rewrite
from sandbox.ops_center import app, byok, chat, credit_accounts, litellm, pages, problems, quota


@fault("C3.S3", "the individual got the status 500, expected 402")
def lack_of_credits_crashes() -> None:
    """Answer a user without credits with a server error, so that they don't learn how to buy more."""
    rewrite(
        credit_accounts.Individual.reserve,
        "raise insufficient_credits(self, credits)",
        'raise RuntimeError("the update hit 0 rows")',
    )


@fault("C1.S3", "the member got the status 500, expected 402")
def lack_of_the_organizations_credits_crashes() -> None:
    """Answer a member with a server error when the organisation has no credits left."""
    rewrite(credit_accounts.Allocation.reserve, "raise refusal", "raise RuntimeError(refusal.detail)")


@fault("C4.S4", "the member got the status 500, expected 403")
def missing_allocation_crashes() -> None:
    """Answer a member without an allocation with a server error."""
    rewrite(
        credit_accounts.refusal_of_allocation,
        "return no_credit_allocation(organization)",
        'raise ZeroDivisionError("share of an allocation of 0")',
    )


@fault("C4.S4", "the member got the status 402, expected 403")
def missing_allocation_told_as_lack_of_credits() -> None:
    """Ask a member without an allocation to pay, though the admin only has to allocate credits."""
    rewrite(credit_accounts.no_credit_allocation, "403,", "402,")


@fault("C1.S3", "the member got the status 403, expected 402")
def lack_of_the_organizations_credits_forbidden() -> None:
    """Answer 403 when the organisation has no credits left, so that a member believes they are locked out."""
    rewrite(
        credit_accounts.refusal_of_allocation,
        '402,\n            "insufficient_organization_credits"',
        '403,\n            "insufficient_organization_credits"',
    )


@fault("A11", "the trial user got the status 403, expected 429")
def used_up_quota_forbidden() -> None:
    """Answer 403 for a used-up quota, so that a client does not wait for the reset."""
    rewrite(quota.exceeded, "429,", "403,")


@fault("A11", "the BYOK user got the status 500, expected 502")
def provider_in_trouble_told_as_own_crash() -> None:
    """Answer 500 for a provider failure, so that operators look for the defect in Ops-Center."""
    rewrite(litellm.provider_error, "502,", "500,")


@fault("A11", "the refusal carries no upgrade link")
def upgrade_link_missing() -> None:
    """Leave `upgrade_url` out, so that a user without credits finds no way to buy more."""
    rewrite(credit_accounts.insufficient_credits, "        upgrade_url=account.upgrade_url,\n", "")


@fault("C1.S4", "the refusal carries no upgrade link")
def upgrade_link_for_the_organization_missing() -> None:
    """Leave `upgrade_url` out, so that a member has nothing to pass on to the admin."""
    rewrite(credit_accounts.refusal_of_allocation, "            upgrade_url=account.upgrade_url,\n", "")


@fault("C1.S4", "the upgrade link is not the organisation's own")
def upgrade_link_of_another_organization() -> None:
    """Link to another organisation, so that the admin buys credits for somebody else."""
    rewrite(
        credit_accounts.refusal_of_allocation,
        "            upgrade_url=account.upgrade_url,\n",
        "            upgrade_url=account.upgrade_url.replace(str(account.org_id), str(account.member_id)),\n",
    )


@fault("A11", "the message does not tell its reader to buy credits or to upgrade")
def upgrade_not_spoken_of() -> None:
    """Leave buying credits out of the message, so that a user who reads only the message does not learn of it."""
    rewrite(
        credit_accounts.insufficient_credits,
        'f"Buy credits or upgrade your plan at {account.upgrade_url}, or ask for a shorter answer."',
        '"The request was not sent to the provider."',
    )


@fault("A11", "the message does not name the reset date")
def reset_date_not_named() -> None:
    """Leave the reset date out of the message, so that the user does not know when to continue."""
    rewrite(quota.exceeded, 'f"Wait until {reset}, or upgrade your plan at {url}."', '"Please try again later."')


@fault("A11", "the message does not tell its reader to turn to the organisation's admin")
def admin_not_spoken_of() -> None:
    """Leave the admin out of the message, so that a member does not know who can allocate credits."""
    rewrite(credit_accounts.no_credit_allocation, " Ask its admin to allocate credits to you.", " Try again later.")


@fault("H3", "the message does not say that nothing was purchased")
def missing_purchase_not_spoken_of() -> None:
    """Leave out that nothing was purchased, so that a member asks for an allocation that is not possible."""
    rewrite(credit_accounts.no_credit_allocation, '(empty if organization["total_credits"] == 0 else "")', '""')


@fault("A11", "the message does not say that nothing was charged")
def charge_of_a_failure_left_open() -> None:
    """Leave out that nothing was charged, so that the user asks support whether they have to pay."""
    rewrite(litellm.provider_error, 'f"{detail} Nothing was charged."', "detail")


@fault("A11", "it reads 'Bad Request'")
def detail_says_nothing() -> None:
    """Send only "Forbidden" or "Payment Required", and not what to do."""
    rewrite(problems.ProblemError.body, '"detail": self.detail', '"detail": HTTPStatus(self.status).phrase')


@fault("A11", "the refusal has no title")
def title_missing() -> None:
    """Leave out the title, so that a page shows an empty line."""
    rewrite(problems.ProblemError.body, '        "title": self.code.replace("_", " ").capitalize(),\n', "")


@fault("A11", "got the code none, expected byok_key_missing")
def code_missing() -> None:
    """Leave out the `code`, so that a client can't tell one refusal from another."""
    rewrite(problems.ProblemError.body, '        "code": self.code,\n', "")


@fault("A11", "the problem's own status is 400, expected 502")
def wrong_status_in_the_problem() -> None:
    """Write another status into the problem, so that a client that reads it takes each refusal for its own mistake."""
    rewrite(problems.ProblemError.body, '"status": self.status', '"status": 400')


@fault("A11", "the refusal's media type is application/json, expected application/problem+json")
def media_type_of_an_answer() -> None:
    """Send refusals as `application/json`, so that a client takes one for an answer."""
    rewrite(problems.ProblemError.response, ", media_type=MEDIA_TYPE", "")


@fault("A11", "the refusal gives internals away", "Traceback")
def trace_in_the_refusal() -> None:
    """Show a stack trace in refusals, so that any user can read the service's files and lines."""
    rewrite(
        problems.ProblemError.body,
        "    return {",
        "    import traceback\n"
        '    trace = "Traceback (most recent call last):" + "".join(traceback.format_stack(limit=2))\n'
        '    return {"trace": trace,',
    )


@fault("A11", "does not say that the credits are too few", "UPDATE user_credits SET")
def sql_in_the_refusal() -> None:
    """Show the SQL statement in the refusal, so that any user can read the names of the tables."""
    rewrite(
        credit_accounts.insufficient_credits,
        'f"This request may cost {credits} credits, more than you have available. "',
        'f"UPDATE user_credits SET credits_reserved = credits_reserved + {credits} changed no row. "',
    )


@fault("A11", "the refusal gives internals away", "Bearer")
def key_of_litellm_in_the_refusal() -> None:
    """Show the request's headers in the refusal, so that anybody can use LiteLLM for free."""
    rewrite(
        litellm.LiteLLM._sent,
        'raise refused(answer.status_code, own_key="api_key" in body)',
        'problem = refused(answer.status_code, own_key="api_key" in body)\n'
        "                problem.detail += f\" LiteLLM was asked with {self._headers['Authorization']}.\"\n"
        "                raise problem",
    )


@fault("C1.E1", "provider calls with the platform's key: 1 in the provider's journal, expected 0")
def refused_request_sent_all_the_same() -> None:
    """Send a request before refusing it, so that the platform pays for answers that nobody gets."""
    rewrite(
        chat.answer,
        "    standing = await reservations.reserve(services, call, estimate, standing)\n",
        "    try:\n"
        "        standing = await reservations.reserve(services, call, estimate, standing)\n"
        "    except ProblemError:\n"
        "        await services.litellm.complete(Order(call, question, own_key, claim).body())\n"
        "        raise\n",
    )


@fault("A11", "the trial user got the status 402, expected 429")
def credits_checked_before_the_quota() -> None:
    """Check credits before the quota, so that a user buys credits and is refused again."""
    rewrite(chat.answer, "if quota.used_up(standing):", "if False:")


@fault("A11", "the trial user got the status 429, expected 422")
def quota_checked_before_the_question() -> None:
    """Check the quota before the model, so that a client waits a month to learn of a wrong model."""
    rewrite(
        chat.complete,
        "        question = read(",
        "        if quota.used_up(standing):\n"
        "            raise quota.exceeded(services, standing)\n"
        "        question = read(",
    )


@fault("EP1", "the answer carries no X-Request-Id")
def request_id_missing() -> None:
    """Leave `X-Request-Id` out of all answers, so that nobody can name a request to support."""
    rewrite(app.EveryAnswer.__call__, 'headers["X-Request-Id"] = str(request_id)', "pass")


@fault("A11", "the refusal's X-Request-Id is none, expected an id")
def request_id_missing_on_refusals() -> None:
    """Leave `X-Request-Id` out of refusals, so that nobody can name a refused request to support."""
    rewrite(
        app.EveryAnswer.__call__,
        'headers["X-Request-Id"] = str(request_id)',
        'if message["status"] < 400:\n                    headers["X-Request-Id"] = str(request_id)',
    )


@fault("EP8", "expected 2 times 00000000-0000-4000-8000-000000000001")
def one_request_id_for_all() -> None:
    """Send the same `X-Request-Id` with every answer, so that support finds the wrong request."""
    rewrite(
        app.EveryAnswer.__call__,
        'headers["X-Request-Id"] = str(request_id)',
        'headers["X-Request-Id"] = "00000000-0000-4000-8000-000000000001"',
    )


@fault("A11", "the message does not tell its reader to check the stored key or to store another")
def refused_key_without_an_instruction() -> None:
    """Say only that the key was refused, so that its owner does not know what to do about it."""
    rewrite(
        litellm.invalid_key,
        'Store a working one with POST /api/v1/settings/byok-keys, "\n'
        '        "or send the request without X-Use-BYOK to use platform credits.',
        "Thank you for your patience.",
    )


@fault("A11", "the message does not tell its reader to store a key", "it reads 'No API key")
def missing_key_without_an_instruction() -> None:
    """Say only that no key is stored, so that a user does not learn how to store one."""
    rewrite(
        byok.missing,
        'Store one with "\n        "POST /api/v1/settings/byok-keys, or send the request without X-Use-BYOK to use '
        'platform credits."',
        'Keys are stored encrypted."',
    )


@fault("C1.S4", "the message does not tell its reader to turn to the organisation's admin")
def member_sent_to_a_purchase_that_they_may_not_make() -> None:
    """Ask a member to buy the organisation's credits, which only its admin may do."""
    rewrite(credit_accounts.refusal_of_allocation, "Ask its admin to buy credits or upgrade at", "Buy credits at")


@fault("C1.S4", "the upgrade link leads to no page", "/billing/upgrade answers 404")
def upgrade_link_leads_nowhere() -> None:
    """Link to a page that does not exist, so that nobody can buy credits."""
    pages.router.routes.clear()


@fault("A11", "the problem's type is none, expected an address")
def type_missing() -> None:
    """Leave out the `type`, so that a client can't look up what a refusal means."""
    rewrite(problems.ProblemError.body, '        "type": f"urn:ops-center:problem:{self.code}",\n', "")
