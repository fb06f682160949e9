"""Provider keys of the users' own: storing, using and removing them, and where they must not show."""

from behave import given, then, when

from creditflow.checks import Finding, agree, diagnosis, holds, key_exposure, refusals
from features.memory import CreditContext, last_reply


@given("{who} has/have stored an OpenRouter key")
@when("{who} store(s) an OpenRouter key")
def stores_key(context: CreditContext, who: str) -> None:
    _store(context, who, "openrouter", context.cast.provider_key())


@given("{who} has/have stored an OpenAI key")
@when("{who} store(s) an OpenAI key")
def stores_openai_key(context: CreditContext, who: str) -> None:
    _store(context, who, "openai", context.cast.provider_key("openai"))


@given("{who} has/have stored an OpenRouter key that the provider does not know")
@when("{who} store(s) an OpenRouter key that the provider does not know")
def stores_unknown_key(context: CreditContext, who: str) -> None:
    _store(context, who, "openrouter", context.cast.provider_key(known=False))


@given("{who} has/have stored nothing")
def stores_nothing(context: CreditContext, who: str) -> None:
    rows = context.target.unicorn.keys(context.cast.subject(who).id)
    agree([Finding("they have", len(rows), 0, "stored keys", "unicorn_db (user_byok_keys)")])


@when("{who} tries/try to store {text} as their OpenRouter key")
def tries_to_store(context: CreditContext, who: str, text: str) -> None:
    context.memory.sent_key = text
    context.memory.reply = context.target.ops_center.store_key(context.cast.subject(who).token, "openrouter", text)


@when("{who} and {who} store the same OpenRouter key")
def store_the_same(context: CreditContext, who: str, other: str) -> None:
    key = context.cast.provider_key()
    _store(context, other, "openrouter", key)
    _store(context, who, "openrouter", key)
    context.memory.key_owners = context.cast.mentioned(who), context.cast.mentioned(other)


@when("what is stored as the key of {who} is overwritten with what is stored for {who}")
def overwrites_key(context: CreditContext, who: str, owner: str) -> None:
    context.target.grants.copy_key(context.cast.mentioned(owner).id, context.cast.mentioned(who).id)


@when("{who} remove(s) their OpenRouter key")
def removes_key(context: CreditContext, who: str) -> None:
    context.memory.reply = context.target.ops_center.remove_key(context.cast.subject(who).token, "openrouter")
    status = context.memory.reply.status
    agree([Finding("the removal got the status", status, 204)], lambda: context.memory.reply.text[:300])


@when("{who} send(s) an OpenRouter key to be stored in the address of a request and not in its body")
def stores_key_in_address(context: CreditContext, who: str) -> None:
    context.memory.sent_key = context.cast.provider_key(known=False)
    token, ops_center = context.cast.subject(who).token, context.target.ops_center
    context.memory.reply = ops_center.store_key_in_address(token, "openrouter", context.memory.sent_key)


@when("the suite looks up why their key is not detected")
def looks_up_key(context: CreditContext) -> None:
    context.memory.hint = diagnosis.why_no_key(context.target, context.cast.subject("they"))


@then("the hint says that {stored} for their user id")
def hint_says(context: CreditContext, stored: str) -> None:
    person = context.cast.subject("they")
    wanted = f"{stored} for user id {person.id}"
    holds(wanted in context.memory.hint, f"the hint reads '{context.memory.hint}', expected in it '{wanted}'")


@then("the key is shown by its last four characters only")
def key_preview(context: CreditContext) -> None:
    key = context.cast.subject("they").keys[-1]
    agree([Finding("the preview shows", _tail(context.memory.reply.body.get("key_preview")), key[-4:])])
    holds(
        not key_exposure.shown(context.memory.reply.text, key),
        "the answer shows more of the key than its last four characters",
    )


@then("{whose} settings list an OpenRouter key")
def settings_list_key(context: CreditContext, who: str) -> None:
    _settings(context, who, ["openrouter"])


@then("{whose} settings list no key")
def settings_list_no_key(context: CreditContext, who: str) -> None:
    _settings(context, who, [])


@then("the provider was called once with the BYOK user's own key and never with the platform's")
def own_key_paid(context: CreditContext) -> None:
    context.accounts.provider_calls(context.cast.subject("the BYOK user"), own_key=1, platform_key=0)


@then("the provider was called once with the platform's key and never with the BYOK user's own")
def platform_key_paid(context: CreditContext) -> None:
    context.accounts.provider_calls(context.cast.subject("the BYOK user"), own_key=0, platform_key=1)


@then("the provider was called with the key stored last")
def latest_key_paid(context: CreditContext) -> None:
    key_exposure.require_latest_key_used(context.target, context.cast.subject("they"))


@then("an encrypted key is stored for {who}")
def encrypted_key_stored(context: CreditContext, who: str) -> None:
    person = context.cast.subject(who)
    rows = context.target.unicorn.keys(person.id)
    agree([Finding("they have", len(rows), 1, "stored keys", "unicorn_db (user_byok_keys)")])
    key_exposure.require_encrypted(rows[0]["encrypted_key"], person.keys[-1])


@then("no table of unicorn_db contains {whose} key in plain text")
def not_in_unicorn_db(context: CreditContext, who: str) -> None:
    key_exposure.require_absent_from_database(context.target.unicorn.database, context.cast.subject(who).keys[-1])


@then("no table of lago contains {whose} key in plain text")
def not_in_lago(context: CreditContext, who: str) -> None:
    key_exposure.require_absent_from_database(context.target.lago_db.database, context.cast.subject(who).keys[-1])


@then("Redis does not contain {whose} key in plain text")
def not_in_redis(context: CreditContext, who: str) -> None:
    key_exposure.require_absent_from_redis(context.target.counters, context.cast.subject(who).keys[-1])


@then("no answer to {who} shows their key")
def not_in_answers(context: CreditContext, who: str) -> None:
    key_exposure.require_absent_from_answers(context.target.ops_center, context.cast.subject(who))


@then("no page of the organisation shows {whose} key")
def not_in_organization(context: CreditContext, who: str) -> None:
    organization, person = context.cast.find_organization("the organisation"), context.cast.subject(who)
    key_exposure.require_absent_from_organization(context.target.ops_center, organization, person)


@then("neither {whose} account in Keycloak nor LiteLLM shows their key")
def not_in_keycloak_or_litellm(context: CreditContext, who: str) -> None:
    person = context.cast.subject(who)
    key_exposure.require_absent_from_keycloak(context.target.keycloak, person)
    key_exposure.require_absent_from_litellm(context.target.litellm, person)


@then("no log of the services shows a key of theirs")
def not_in_logs(context: CreditContext) -> None:
    context.session.require_no_key_in_logs(context.cast)


@then("keys are encrypted on their way to Ops-Center and to LiteLLM, or stay on one machine")
def hidden_on_their_way(context: CreditContext) -> None:
    key_exposure.require_hidden_on_its_way(context.target.settings)


@then("what is stored for {who} differs")
def stored_differs(context: CreditContext, who: str) -> None:
    stored = {
        row["encrypted_key"] for person in context.memory.key_owners for row in context.target.unicorn.keys(person.id)
    }
    agree([Finding("they have", len(stored), 2, "different encrypted keys", "unicorn_db (user_byok_keys)")])


@then("the refusal does not repeat what was sent")
def refusal_repeats_nothing(context: CreditContext) -> None:
    with last_reply(context) as reply:
        holds(context.memory.sent_key not in reply.text, "the refusal repeats what was sent as a key")


@then("the message asks to check the stored key")
def message_check_key(context: CreditContext) -> None:
    with last_reply(context) as reply:
        refusals.says(reply, "check key")


@then("the message says that no key is stored and asks to store one")
def message_no_key(context: CreditContext) -> None:
    with last_reply(context) as reply:
        refusals.says(reply, "no key")


def _store(context: CreditContext, who: str, provider: str, key: str) -> None:
    person = context.cast.subject(who)
    context.memory.reply = context.target.ops_center.store_key(person.token, provider, key)
    agree(
        [Finding("storing the key got the status", context.memory.reply.status, 201)],
        lambda: context.memory.reply.text[:300],
    )
    person.keys.append(key)
    person.storings.append(context.memory.reply)


def _settings(context: CreditContext, who: str, providers: list[str]) -> None:
    person = context.cast.subject(who)
    reply = context.target.ops_center.keys(person.token)
    agree(
        [
            Finding(
                f"the settings of {person.alias} list",
                [k.get("provider") for k in reply.body.get("keys", [])],
                providers,
            ),
            Finding(
                f"the settings of {person.alias} say 'OpenRouter configured':",
                reply.body.get("openrouter_configured"),
                "openrouter" in providers,
            ),
        ],
        lambda: diagnosis.why_no_key(context.target, person),
    )


def _tail(preview: object) -> str:
    return str(preview or "").lstrip(".*…•")


@given("the account of {whose} {provider} key is empty")
def account_is_empty(context: CreditContext, who: str, provider: str) -> None:
    person = context.cast.subject(who)
    context.target.provider.empty_account(person.name, provider, person.keys[-1])


@then("{provider} was called once, with the key that {who} stored for it, and no other provider was called")
def provider_of_key_called(context: CreditContext, provider: str, who: str) -> None:
    context.accounts.provider_asked(context.cast.subject(who), provider)


@then("the message says that the account of their key may be empty or rate-limited")
def message_account_of_key(context: CreditContext) -> None:
    with last_reply(context) as reply:
        refusals.says(reply, "own account")
