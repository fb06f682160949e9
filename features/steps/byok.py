"""Provider keys of the users' own: storing, using and removing them, and where they must not show."""

from behave import given, then, when
from behave.runner import Context

from creditflow.checks import diagnosis, key_exposure, refusals
from creditflow.core import expect
from creditflow.core.expect import Finding
from creditflow.target.drivers.provider import fingerprint
from features.memory import last_reply


@given("{who} has/have stored an OpenRouter key")
@when("{who} store(s) an OpenRouter key")
def stores_key(context: Context, who: str) -> None:
    _store(context, who, "openrouter", context.cast.provider_key())


@given("{who} has/have stored an OpenAI key")
def stores_openai_key(context: Context, who: str) -> None:
    _store(context, who, "openai", context.cast.provider_key("openai"))


@given("{who} has/have stored an OpenRouter key that the provider does not know")
def stores_unknown_key(context: Context, who: str) -> None:
    _store(context, who, "openrouter", context.cast.provider_key(known=False))


@given("{who} has/have stored nothing")
def stores_nothing(context: Context, who: str) -> None:
    rows = context.target.unicorn.keys(context.cast.subject(who).id)
    expect.agree([Finding("they have", len(rows), 0, "stored keys", "unicorn_db (user_byok_keys)")])


@when("{who} tries/try to store {text} as their OpenRouter key")
def tries_to_store(context: Context, who: str, text: str) -> None:
    context.sent = text
    context.reply = context.target.ops_center.store_key(context.cast.subject(who).token, "openrouter", text)


@when("{who} and {who} store the same OpenRouter key")
def store_the_same(context: Context, who: str, other: str) -> None:
    key = context.cast.provider_key()
    _store(context, other, "openrouter", key)
    _store(context, who, "openrouter", key)
    context.pair = context.cast.mentioned(who), context.cast.mentioned(other)


@when("{who} remove(s) their OpenRouter key")
def removes_key(context: Context, who: str) -> None:
    reply = context.target.ops_center.remove_key(context.cast.subject(who).token, "openrouter")
    expect.agree([Finding("the removal got the status", reply.status, 204)], lambda: reply.text[:300])


@when("the suite looks up why their key is not detected")
def looks_up_key(context: Context) -> None:
    context.hint = diagnosis.why_no_key(context.target, context.cast.subject("they"))


@then("the hint says that {stored} for their user id")
def hint_says(context: Context, stored: str) -> None:
    person = context.cast.subject("they")
    wanted = f"{stored} for user id {person.id}"
    expect.holds(wanted in context.hint, f"the hint reads '{context.hint}', expected in it '{wanted}'")


@then("the key is shown by its last four characters only")
def key_preview(context: Context) -> None:
    key = context.cast.subject("they").keys[-1]
    expect.agree([Finding("the preview shows", _tail(context.reply.body.get("key_preview")), key[-4:])])
    expect.holds(
        not key_exposure.shown(context.reply.text, key),
        "the answer shows more of the key than its last four characters",
    )


@then("{whose} settings list an OpenRouter key")
def settings_list_key(context: Context, who: str) -> None:
    _settings(context, who, ["openrouter"])


@then("{whose} settings list no key")
def settings_list_no_key(context: Context, who: str) -> None:
    _settings(context, who, [])


@then("the provider was called once with the BYOK user's own key and never with the platform's")
def own_key_paid(context: Context) -> None:
    context.accounts.provider_calls(context.cast.subject("the BYOK user"), own_key=1, platform_key=0)


@then("the provider was called once with the platform's key and never with the BYOK user's own")
def platform_key_paid(context: Context) -> None:
    context.accounts.provider_calls(context.cast.subject("the BYOK user"), own_key=0, platform_key=1)


@then("the provider was called with the key stored last")
def latest_key_paid(context: Context) -> None:
    person = context.cast.subject("they")
    prints = [call.key_fingerprint for call in context.target.provider.calls(person.name)]
    expect.agree(
        [Finding("the provider was called with the keys", prints, [fingerprint(person.keys[-1])])],
        lambda: diagnosis.of_person(context.target, person),
    )


@then("an encrypted key is stored for {who}")
def encrypted_key_stored(context: Context, who: str) -> None:
    person = context.cast.subject(who)
    rows = context.target.unicorn.keys(person.id)
    expect.agree([Finding("they have", len(rows), 1, "stored keys", "unicorn_db (user_byok_keys)")])
    key_exposure.require_encrypted(rows[0]["encrypted_key"], person.keys[-1])


@then("no table of unicorn_db holds {whose} key in clear")
def not_in_unicorn_db(context: Context, who: str) -> None:
    key_exposure.require_absent_from_database(context.target.unicorn.database, context.cast.subject(who).keys[-1])


@then("no table of lago holds {whose} key in clear")
def not_in_lago(context: Context, who: str) -> None:
    key_exposure.require_absent_from_database(context.target.lago_db.database, context.cast.subject(who).keys[-1])


@then("Redis does not hold {whose} key in clear")
def not_in_redis(context: Context, who: str) -> None:
    key_exposure.require_absent_from_redis(context.target.counters, context.cast.subject(who).keys[-1])


@then("no answer that {who} get anywhere shows their key")
def not_in_answers(context: Context, who: str) -> None:
    key_exposure.require_absent_from_answers(context.target.ops_center, context.cast.subject(who))


@then("what is stored for {who} differs")
def stored_differs(context: Context, who: str) -> None:
    stored = {row["encrypted_key"] for person in context.pair for row in context.target.unicorn.keys(person.id)}
    expect.agree([Finding("they have", len(stored), 2, "different encrypted keys", "unicorn_db (user_byok_keys)")])


@then("the refusal does not repeat what was sent")
def refusal_repeats_nothing(context: Context) -> None:
    with last_reply(context) as reply:
        expect.holds(context.sent not in reply.text, "the refusal repeats what was sent as a key")


@then("the message asks to check the stored key")
def message_check_key(context: Context) -> None:
    with last_reply(context) as reply:
        refusals.says(reply, "check key")


@then("the message says that no key is stored and asks to store one")
def message_no_key(context: Context) -> None:
    with last_reply(context) as reply:
        refusals.says(reply, "no key")


def _store(context: Context, who: str, provider: str, key: str) -> None:
    person = context.cast.subject(who)
    context.reply = context.target.ops_center.store_key(person.token, provider, key)
    expect.agree(
        [Finding("storing the key got the status", context.reply.status, 201)],
        lambda: context.reply.text[:300],
    )
    person.keys.append(key)


def _settings(context: Context, who: str, providers: list[str]) -> None:
    person = context.cast.subject(who)
    reply = context.target.ops_center.keys(person.token)
    expect.agree(
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
