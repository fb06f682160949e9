"""Faults of what a refused user gets: status, code, sentence, links, headers, and what was done all the same."""

from sandbox.faults import fault, rewrite
from sandbox.ops_center import app, chat, litellm, problems, purses, quota


@fault("C3.S3", "the individual got the status 500, expected 402")
def lack_of_credits_crashes() -> None:
    """Whoever has spent everything sees a server error, calls support, and learns nothing of buying more."""
    rewrite(
        purses.Individual.hold,
        "raise insufficient_credits(self, credits)",
        'raise RuntimeError("the update hit 0 rows")',
    )


@fault("C1.S3", "the member got the status 500, expected 402")
def lack_of_the_organizations_credits_crashes() -> None:
    """A member whose organisation has run dry sees a server error, and nobody buys more."""
    rewrite(purses.Allocation.hold, "raise refusal", "raise RuntimeError(refusal.detail)")


@fault("C4.S4", "the member got the status 500, expected 403")
def missing_allocation_crashes() -> None:
    """A new member's first request is a server error: nobody thought of an allocation of nothing."""
    rewrite(
        purses.refusal_of_allocation,
        "return no_credit_allocation(organization)",
        'raise ZeroDivisionError("share of an allocation of 0")',
    )


@fault("C4.S4", "the member got the status 402, expected 403")
def missing_allocation_told_as_lack_of_credits() -> None:
    """A new member is told to pay, though the organisation has credits that its admin only has to allocate."""
    rewrite(purses.no_credit_allocation, "403,", "402,")


@fault("C1.S3", "the member got the status 403, expected 402")
def lack_of_the_organizations_credits_forbidden() -> None:
    """A member whose organisation has run dry believes that they were locked out: 403 instead of 402."""
    rewrite(
        purses.refusal_of_allocation,
        '402,\n            "insufficient_organization_credits"',
        '403,\n            "insufficient_organization_credits"',
    )


@fault("A11", "the trial user got the status 403, expected 429")
def used_up_quota_forbidden() -> None:
    """A client that knows how to wait does not: a used-up quota is 403 instead of 429."""
    rewrite(quota.exceeded, "429,", "403,")


@fault("A11", "the individual got the status 500, expected 502")
def provider_in_trouble_told_as_own_crash() -> None:
    """When the provider is in trouble, users and operators look for the fault here: 500 instead of 502."""
    rewrite(litellm.provider_error, "502,", "500,")


@fault("A11", "the refusal carries no upgrade link")
def upgrade_link_missing() -> None:
    """Whoever has spent everything finds no way to buy more: the refusal has no `upgrade_url`."""
    rewrite(purses.insufficient_credits, "        upgrade_url=purse.upgrade_url,\n", "")


@fault("C1.S4", "the refusal carries no upgrade link")
def upgrade_link_for_the_organization_missing() -> None:
    """A member has nothing to pass on to the admin: the refusal has no `upgrade_url`."""
    rewrite(purses.refusal_of_allocation, "            upgrade_url=purse.upgrade_url,\n", "")


@fault("C1.S4", "the upgrade link is not the organisation's own")
def upgrade_link_of_another_organization() -> None:
    """The admin buys credits for somebody else's organisation: the link names another one."""
    rewrite(
        purses.refusal_of_allocation,
        "            upgrade_url=purse.upgrade_url,\n",
        "            upgrade_url=purse.upgrade_url.replace(str(purse.org_id), str(purse.member_id)),\n",
    )


@fault("A11", "the message does not say how to get more credits")
def upgrade_not_spoken_of() -> None:
    """Whoever reads the sentence and not the JSON learns nothing of buying more."""
    rewrite(
        purses.insufficient_credits,
        'f"Buy credits or upgrade your plan at {purse.upgrade_url}, or ask for a shorter answer."',
        '"The request was not sent to the provider."',
    )


@fault("A11", "the message does not name the reset date")
def reset_date_not_named() -> None:
    """Whoever has used all calls does not learn when they can go on."""
    rewrite(quota.exceeded, 'f"Wait until {reset}, or upgrade your plan at {url}."', '"Please try again later."')


@fault("A11", "the message does not say that the organisation's admin can help")
def admin_not_spoken_of() -> None:
    """A member without an allocation does not learn who could give them one."""
    rewrite(purses.no_credit_allocation, " Ask its admin to allocate credits to you.", " Try again later.")


@fault("H3", "the message does not say that nothing was purchased")
def missing_purchase_not_spoken_of() -> None:
    """A member asks for an allocation that their admin can't give: nobody is told that nothing was purchased yet."""
    rewrite(purses.no_credit_allocation, '(empty if organization["total_credits"] == 0 else "")', '""')


@fault("A11", "the message does not say that nothing was charged")
def charge_of_a_failure_left_open() -> None:
    """Whose request the provider failed does not know whether to pay for it, and asks support."""
    rewrite(litellm.provider_error, 'f"{detail} Nothing was charged."', "detail")


@fault("A11", "it reads 'Payment Required'")
def detail_says_nothing() -> None:
    """Every refused user reads "Forbidden" or "Payment Required", and not what to do."""
    rewrite(problems.Problem.body, '"detail": self.detail', '"detail": HTTPStatus(self.status).phrase')


@fault("A11", "the refusal has no title")
def title_missing() -> None:
    """A page that shows a refusal's title shows an empty line."""
    rewrite(problems.Problem.body, '        "title": self.code.replace("_", " ").capitalize(),\n', "")


@fault("A11", "got the code none, expected insufficient_credits")
def code_missing() -> None:
    """A client can't tell one refusal from another: the problem has no `code`."""
    rewrite(problems.Problem.body, '        "code": self.code,\n', "")


@fault("A11", "the problem's own status is 400, expected 402")
def wrong_status_in_the_problem() -> None:
    """A client that reads the problem and not the HTTP status takes every refusal for a mistake of its own."""
    rewrite(problems.Problem.body, '"status": self.status', '"status": 400')


@fault("A11", "the refusal's media type is application/json, expected application/problem+json")
def media_type_of_an_answer() -> None:
    """A client takes a refusal for an answer: it comes as `application/json`."""
    rewrite(problems.Problem.response, ", media_type=MEDIA_TYPE", "")


@fault("A11", "the refusal gives internals away", "Traceback")
def trace_in_the_refusal() -> None:
    """Any refused user reads the service's files and lines: a debugging aid was left in."""
    rewrite(
        problems.Problem.body,
        "    return {",
        "    import traceback\n"
        '    trace = "Traceback (most recent call last):" + "".join(traceback.format_stack(limit=2))\n'
        '    return {"trace": trace,',
    )


@fault("A11", "the refusal gives internals away", "UPDATE user_credits SET")
def sql_in_the_refusal() -> None:
    """Any user without credits reads how the tables are called: the refusal repeats the statement."""
    rewrite(
        purses.insufficient_credits,
        'f"This request may cost {credits} credits, more than you have available. "',
        'f"UPDATE user_credits SET credits_reserved = credits_reserved + {credits} changed no row. "',
    )


@fault("A11", "the refusal gives internals away", "Bearer")
def key_of_litellm_in_the_refusal() -> None:
    """Whose request the provider failed can use LiteLLM for free: the refusal repeats the request's headers."""
    rewrite(
        litellm.LiteLLM._sent,
        'raise refused(answer.status_code, own_key="api_key" in body)',
        'problem = refused(answer.status_code, own_key="api_key" in body)\n'
        "                problem.detail += f\" LiteLLM was asked with {self._headers['Authorization']}.\"\n"
        "                raise problem",
    )


@fault("C1.E1", "provider calls with the platform's key: 1 in the provider's journal, expected 0")
def refused_request_sent_all_the_same() -> None:
    """The platform pays the provider for answers that nobody gets: a refused request is sent before it is refused."""
    rewrite(
        chat.answer,
        "    standing = await reservations.reserve(services, call, estimate, standing)\n",
        "    try:\n"
        "        standing = await reservations.reserve(services, call, estimate, standing)\n"
        "    except Problem:\n"
        "        await services.litellm.complete(Order(call, question, own_key, claim).body())\n"
        "        raise\n",
    )


@fault("A11", "got the status 402, expected 429")
def credits_checked_before_the_quota() -> None:
    """Who has neither calls nor credits buys credits, and is refused again: the quota is checked last."""
    rewrite(chat.answer, "if quota.used_up(standing):", "if False:")


@fault("A11", "got the status 429, expected 422")
def quota_checked_before_the_question() -> None:
    """A program that asks for a model that there is none of waits a month to be told so."""
    rewrite(
        chat.complete,
        "        question = read(",
        "        if quota.used_up(standing):\n"
        "            raise quota.exceeded(services, standing)\n"
        "        question = read(",
    )


@fault("EP1", "the answer carries no X-Request-Id")
def request_id_missing() -> None:
    """Nobody can say which request they mean: no answer carries an `X-Request-Id`."""
    rewrite(app.EveryAnswer.__call__, 'headers["X-Request-Id"] = str(request_id)', "pass")


@fault("A11", "the refusal's X-Request-Id is none, expected an id")
def request_id_missing_on_refusals() -> None:
    """Whoever was refused can't say which request they mean: only answers carry an `X-Request-Id`."""
    rewrite(
        app.EveryAnswer.__call__,
        'headers["X-Request-Id"] = str(request_id)',
        'if message["status"] < 400:\n                    headers["X-Request-Id"] = str(request_id)',
    )


@fault("EP8", "expected 2 times 00000000-0000-4000-8000-000000000001")
def one_request_id_for_all() -> None:
    """Support finds the wrong request: every answer carries the same `X-Request-Id`."""
    rewrite(
        app.EveryAnswer.__call__,
        'headers["X-Request-Id"] = str(request_id)',
        'headers["X-Request-Id"] = "00000000-0000-4000-8000-000000000001"',
    )
