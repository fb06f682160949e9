"""Faults of users' own keys: how they are stored, which one is used, and who pays."""

import base64
import contextlib
from collections.abc import Callable
from typing import Any
from uuid import UUID

import psycopg

from sandbox.faults import fault, replace, rewrite
from sandbox.ops_center import (
    app,
    byok,
    chat,
    credit_accounts,
    credits,
    lago_events,
    litellm,
    organizations,
    payers,
    tokens,
)
from sandbox.ops_center.byok import OwnKey
from sandbox.ops_center.services import Services
from sandbox.ops_center.settings import Settings
from sandbox.ops_center.tokens import Person

_LOOKED_UP = "own_key = await byok.key_for(services, caller.user_id, question.model)"
_STORING = "    async with services.database.connection() as db:\n        await db.execute("


@fault("F3.S9", "got the status 200, expected 401", "once with the platform's key")
def refused_key_retried_with_the_platforms() -> None:
    """Send a request with a refused key again with the platform's key, so that the platform pays."""
    rewrite(
        chat._whole,
        "completion = await services.litellm.complete(order.body())",
        "try:\n"
        "        completion = await services.litellm.complete(order.body())\n"
        "    except ProblemError:\n"
        "        completion = await services.litellm.complete(order.question.model_dump(exclude_unset=True))",
    )


@fault("H4", "got the status 200, expected 400", "once with the platform's key", "1 charge of 9")
def missing_key_replaced_by_credits() -> None:
    """Charge credits when no key is stored, though the user wanted to pay the provider."""
    rewrite(
        chat.answer,
        _LOOKED_UP,
        "try:\n"
        f"            {_LOOKED_UP}\n"
        "        except ProblemError:\n"
        "            account = await payers.account_of(services, caller, None)",
    )


@fault("H4", "got the status 200, expected 400", "once with the platform's key", "no credits were deducted")
def missing_key_lets_the_platform_pay() -> None:
    """Use the platform's key when no key is stored, so that anybody asks for free with X-Use-BYOK."""
    rewrite(chat.answer, _LOOKED_UP, f"try:\n            {_LOOKED_UP}\n        except ProblemError:\n            pass")


@fault("H4", "does not say that no key is stored")
def missing_key_not_named() -> None:
    """Leave out of the refusal that no key is stored, so that the user learns only that something is wrong."""
    rewrite(
        byok.missing,
        'f"No API key that can serve {model} is stored for the user id {user_id}. Store one with "\n'
        '        "POST /api/v1/settings/byok-keys, or send the request without X-Use-BYOK to use platform credits."',
        '"The request could not be processed. Check its headers and try again."',
    )


@fault("F3.E1", "the answer says that it cost 9 credits, expected 0", "1 charge of 9")
def own_key_charged_as_well() -> None:
    """Charge credits for a request that the user's own key paid."""
    rewrite(chat.answer, _LOOKED_UP, f"{_LOOKED_UP}\n        account = await payers.account_of(services, caller, None)")


@fault("A7", "the organisation has 9,991 credits in the API, expected 10,000")
def own_key_of_a_member_charged_to_the_organization() -> None:
    """Charge the organisation for a request that a member's own key paid."""
    rewrite(
        chat.answer,
        _LOOKED_UP,
        f"{_LOOKED_UP}\n"
        "        payer = await payers.account_of(services, caller, None)\n"
        "        account = payer if payer.org_id else None",
    )


@fault("A7", "the BYOK user got no answer: status 402")
def own_key_needs_credits() -> None:
    """Check the balance before the payer is known, so that nobody without credits can use their own key."""

    async def refuse_without_credits(services: Services, caller: Person) -> None:
        if await credits.remaining(services, caller.user_id) == 0:
            raise credit_accounts.insufficient_credits(
                credit_accounts.Individual(caller.user_id, services.settings.public_url), 1
            )

    chat.__dict__["refuse_without_credits"] = refuse_without_credits
    rewrite(chat.answer, _LOOKED_UP, f"await refuse_without_credits(services, caller)\n        {_LOOKED_UP}")


@fault("F3.E1", "the answer says 'own key used': no, expected yes", "once with the platform's key")
def byok_header_ignored() -> None:
    """Ignore X-Use-BYOK, so that users who asked for their own key pay credits."""
    rewrite(payers.uses_own_key, 'return value == "true"', "return False")


@fault("F3.E4", "the BYOK user has 1,000 credits in the API, expected 991", "once with their own key")
def stored_key_always_used() -> None:
    """Use a stored key for every request, so that its owner can't go back to credits."""

    async def stores_a_key(services: Services, caller: Person) -> bool:
        async with services.database.connection() as db:
            return bool(await byok.stored(db, caller.user_id))

    chat.__dict__["stores_a_key"] = stores_a_key
    rewrite(chat.answer, "if payers.uses_own_key(request):", "if await stores_a_key(services, caller):")


@fault("F3.S5", "called 1 times with the platform's key for the BYOK user, expected 0")
def stream_paid_by_the_platform() -> None:
    """Use a user's own key only for whole answers, so that the platform pays for their streams."""
    rewrite(chat._pump, "order.body()", 'order.question.model_dump() | {"stream_options": {"include_usage": True}}')


@fault("R3", "shows the key of the BYOK user")
def key_in_the_answer() -> None:
    """Repeat the request to LiteLLM in the answer, so that every client's log contains the user's key."""
    rewrite(
        chat.Order.costs,
        '"model": self.question.model,',
        '"model": self.question.model,\n        "litellm_params": {"api_key": self.own_key and self.own_key.api_key},',
    )


@fault("R3", "the page of their keys shows the key of the BYOK user")
def key_in_the_settings_page() -> None:
    """Show the whole key on the settings page, so that anybody who sees the screen can read it."""

    async def with_keys(services: Services, user_id: UUID, keys: list[dict[str, Any]]) -> None:
        for key in keys:
            async with services.database.connection() as db:
                found = await db.execute(
                    "SELECT encrypted_key FROM user_byok_keys WHERE user_id = %s AND provider = %s",
                    (user_id, key["provider"]),
                )
                row = await found.fetchone()
            if row:
                key["api_key"] = byok.decrypt(services.settings, row["encrypted_key"], user_id, key["provider"])

    byok.__dict__["with_keys"] = with_keys
    rewrite(
        byok.show,
        "    return",
        "    await with_keys(services, caller.user_id, keys)\n    return",
    )


@fault("EP14", "the preview shows")
def preview_too_long() -> None:
    """Show eight characters of a key, so that a screenshot gives away half of a short one."""
    rewrite(byok.preview, "key[-4:]", "key[-8:]")


@fault("R3", "shows the key of the BYOK user")
def refused_key_repeated_in_the_refusal() -> None:
    """Repeat a refused key in the refusal, so that it ends in the client's error log."""
    rewrite(
        litellm.LiteLLM._sent,
        'raise refused(answer.status_code, own_key="api_key" in body)',
        'problem = refused(answer.status_code, own_key="api_key" in body)\n'
        "                problem.detail += f\" The key was {body.get('api_key')}.\"\n"
        "                raise problem",
    )


@fault("EP14", "the refusal repeats what was sent as a key")
def mistyped_key_repeated_in_the_refusal() -> None:
    """Repeat a key with a space in the refusal, so that it ends in the client's error log."""
    rewrite(
        byok.store,
        "raise bad_format(new.provider)",
        'problem = bad_format(new.provider)\n        problem.detail += f" You sent {key}."\n        raise problem',
    )


@fault("R3", "the log of ops-center shows the provider key of the BYOK user")
def key_in_the_log() -> None:
    """Log each request with its key, so that anybody who reads the log has the keys of all users."""
    rewrite(
        chat._whole,
        "    completion = await",
        '    log.info("asking LiteLLM with %s", order.body())\n    completion = await',
    )


@fault("F3.S3", "the stored key can be read in plain text or in a plain encoding")
def key_stored_in_clear() -> None:
    """Store keys in plain text, so that anybody with a copy of the database has the keys of all users."""
    _keep_keys(lambda key: key, lambda stored: stored)


@fault("F3.S3", "the stored key can be read in plain text or in a plain encoding")
def key_stored_in_base64() -> None:
    """Store keys only encoded, so that anybody with a copy of the database has the keys of all users."""
    _keep_keys(
        lambda key: base64.urlsafe_b64encode(key.encode()).decode(),
        lambda stored: base64.urlsafe_b64decode(stored).decode(),
    )


@fault("F3.S3", "the key can be read in unicorn_db, in the table usage_tracking")
def key_kept_with_the_usage() -> None:
    """Write the key in plain text beside each request's usage, so that its encryption is useless."""
    rewrite(
        chat.settle,
        "        text = render(payment)",
        '        await db.execute("UPDATE usage_tracking SET endpoint = %s WHERE request_id = %s",\n'
        "            (order.own_key and order.own_key.api_key, order.call.request_id))\n"
        "        text = render(payment)",
    )


@fault("R3", "nobody of the scenario: Redis byok:")
def key_kept_in_redis() -> None:
    """Keep recently used keys in plain text in Redis."""
    rewrite(
        byok.key_for,
        "    return OwnKey(",
        '    await services.cache.put(f"byok:{user_id}:{provider}", key, 60)\n    return OwnKey(',
    )


@fault("R3", "1 different encrypted keys in unicorn_db (user_byok_keys), expected 2")
def encryption_without_a_nonce() -> None:
    """Encrypt the same key to the same text, so that the database shows who shares a key."""
    rewrite(byok.encrypt, "os.urandom(NONCE_BYTES)", "bytes(range(NONCE_BYTES))")
    replace(byok, "_bound_to", lambda user_id, provider: b"")


@fault("R3", "the neighbour got the status 200, expected 400")
def key_of_another_user_used() -> None:
    """Look up a key without its owner, so that a user's provider bills them for a stranger's requests."""

    async def anybodys_key(services: Services, user_id: UUID, model: str) -> OwnKey:
        async with services.database.connection() as db:
            found = await db.execute("SELECT * FROM user_byok_keys ORDER BY created_at DESC LIMIT 1")
            row = await found.fetchone()
        if row is None:
            raise byok.missing(user_id, model)
        key = byok.decrypt(services.settings, row["encrypted_key"], row["user_id"], row["provider"])
        return OwnKey(model if row["provider"] == "openrouter" else f"direct/{model}", key)

    replace(byok, "key_for", anybodys_key)


@fault("F3.S2", "the BYOK user got the status 200, expected 401")
def old_key_stays_after_a_new_one() -> None:
    """Keep the old key when a new one is stored, so that a stolen or refused key stays in use."""
    rewrite(
        byok.store,
        """DO UPDATE SET encrypted_key = EXCLUDED.encrypted_key,
                   key_preview = EXCLUDED.key_preview, created_at = LOCALTIMESTAMP""",
        "DO NOTHING",
    )


@fault("R3", "the BYOK user got the status 200, expected 400", "twice with their own key")
def removed_key_still_used() -> None:
    """Remember a key after its removal, so that its owner goes on paying the provider."""
    remembered: dict[UUID, OwnKey] = {}
    key_for = byok.key_for

    async def remembering(services: Services, user_id: UUID, model: str) -> OwnKey:
        if user_id not in remembered:
            remembered[user_id] = await key_for(services, user_id, model)
        return remembered[user_id]

    replace(byok, "key_for", remembering)


@fault("R3", "got the status 200, expected 400", "twice with their own key")
def removal_of_a_key_forgotten() -> None:
    """Confirm the removal of a key and keep it stored."""
    rewrite(byok.remove, "DELETE FROM user_byok_keys WHERE", "SELECT FROM user_byok_keys WHERE")


@fault("A7", "the BYOK user got no answer: status 401")
def openai_key_stored_as_openrouters() -> None:
    """Store an OpenAI key under OpenRouter, so that its owner can't use it."""
    rewrite(byok.store, _STORING, f'    new.provider = "openrouter"\n{_STORING}')


@fault("EP14", "the BYOK user got the status 201, expected 422")
def any_text_accepted_as_a_key() -> None:
    """Skip the check of a key's format, so that a wrong text is noticed only at the first request."""
    rewrite(byok.store, "raise bad_format(new.provider)", "pass")


@fault("F3.S9", "the BYOK user got the status 502, expected 401")
def refused_key_told_as_the_providers_trouble() -> None:
    """Report a refused key as a provider error, so that its owner waits for the provider to recover."""
    rewrite(litellm.refused, "if status == 401 and own_key:", "if False:")


@fault("A11", "the message does not say that the provider refused the key")
def refused_key_not_named() -> None:
    """Leave the key out of the 401, so that its owner signs in again and again."""
    rewrite(
        litellm.invalid_key,
        '"The provider refused your own API key. Store a working one with POST /api/v1/settings/byok-keys, "\n'
        '        "or send the request without X-Use-BYOK to use platform credits."',
        '"You are not authorized to do this. Sign in again and repeat the request."',
    )


@fault("EP15", "'OpenRouter configured': no, expected yes")
def stored_key_is_not_reported() -> None:
    """Show a stored key as missing, so that its owner stores it again and again."""
    rewrite(byok.show, 'key["provider"] == "openrouter"', 'key["provider"] == "OpenRouter"')


@fault("EP14", "'OpenRouter configured': yes, expected no")
def everybody_seems_to_have_a_key() -> None:
    """Show a key to users who stored none, so that they wonder why it does not work."""
    rewrite(byok.show, 'any(key["provider"] == "openrouter" for key in keys)', "True")


@fault("R3", "the answer that stored key 1 shows the key of the BYOK user")
def key_repeated_when_it_is_stored() -> None:
    """Repeat the whole key in the answer that confirms its storing, so that the browser keeps it."""
    rewrite(byok.store, '"configured": True,', '"configured": True, "stored": key,')


@fault("R3", "the organisation's page for the admin shows the key of the member")
def key_of_a_member_on_the_organizations_page() -> None:
    """Show members' keys on the organisation's page, so that a colleague can spend a member's money."""

    async def with_keys(services: Services, members: list[dict[str, Any]]) -> list[dict[str, Any]]:
        async with services.database.connection() as db:
            found = await db.execute(
                """SELECT user_email, user_id, provider, encrypted_key
                   FROM organization_members JOIN user_byok_keys USING (user_id)"""
            )
            for row in await found.fetchall():
                key = byok.decrypt(services.settings, row["encrypted_key"], row["user_id"], row["provider"])
                for member in members:
                    member.update({"key": key} if member["user_email"] == row["user_email"] else {})
        return members

    organizations.__dict__["with_keys"] = with_keys
    rewrite(
        organizations.show,
        '"members": await members.fetchall()',
        '"members": await with_keys(services, await members.fetchall())',
    )


@fault("R3", "the account of the BYOK user in Keycloak shows their key")
def key_kept_in_keycloak() -> None:
    """Keep the key in the user's account in Keycloak, where every administrator can read it."""

    async def keep(services: Services, key: str) -> None:
        url = f"{services.settings.issuer}/account"
        headers = {"Authorization": f"Bearer {services.__dict__['token']}", "Accept": "application/json"}
        account = (await services.http.get(url, headers=headers)).json()
        account["attributes"] = {**account.get("attributes", {}), "provider_key": [key]}
        (await services.http.post(url, json=account, headers=headers)).raise_for_status()

    byok.__dict__["keep_in_keycloak"] = keep
    rewrite(
        tokens.authenticate,
        "    services = request.app.state.services\n",
        '    services = request.app.state.services\n    services.__dict__["token"] = token.strip()\n',
    )
    rewrite(byok.store, _STORING, f"    await keep_in_keycloak(services, key)\n{_STORING}")


@fault("R3", "the log of postgresql shows the provider key of the BYOK user")
def key_in_a_statement_that_fails() -> None:
    """Send the key to the database in a statement that fails, which PostgreSQL then writes into its log."""

    async def look(services: Services, key: str) -> None:
        async with services.database.connection() as db:
            with contextlib.suppress(psycopg.Error):
                await db.execute("SELECT FROM user_byok_keys WHERE id = %s::uuid", (key,))

    byok.__dict__["look"] = look
    rewrite(byok.key_for, "    return OwnKey(", "    await look(services, key)\n    return OwnKey(")


@fault("R3", "the BYOK user got the status 201, expected 422")
def key_taken_from_the_address() -> None:
    """Take a key from the address of the request too, so that it ends in the log of every proxy on the way."""
    rewrite(
        app.EveryAnswer.__call__,
        "        await self._app(scope, receive, send_marked)\n    except",
        "        from json import dumps\n"
        "        from urllib.parse import parse_qsl\n"
        '        named = dict(parse_qsl(scope["query_string"].decode()))\n'
        '        if "api_key" in named:\n'
        "            body = dumps(named).encode()\n"
        '            scope["headers"] = [h for h in scope["headers"] if h[0] != b"content-length"]\n'
        '            scope["headers"].append((b"content-length", str(len(body)).encode()))\n'
        "            async def receive() -> Message:\n"
        '                return {"type": "http.request", "body": body, "more_body": False}\n'
        "        await self._app(scope, receive, send_marked)\n    except",
    )


@fault("R3", "the key can be read in lago, in the table events")
def key_sent_to_lago() -> None:
    """Send the key to Lago with each event, so that everybody in accounting can read it."""
    known: dict[str, str] = {}
    key_for = byok.key_for

    async def remembering(services: Services, user_id: UUID, model: str) -> OwnKey:
        own_key = await key_for(services, user_id, model)
        known[str(user_id)] = own_key.api_key
        return own_key

    replace(byok, "key_for", remembering)
    lago_events.__dict__["keys"] = known
    rewrite(
        lago_events.event,
        'for name in ("model", "tokens", "credits", "byok")}',
        'for name in ("model", "tokens", "credits", "byok")} | {"key": keys.get(str(row["user_id"]), "")}',
    )


@fault("F3.S3", "each character seems to be only replaced by another one")
def key_stored_with_its_letters_changed() -> None:
    """Change each character of a key by the same rule, so that anybody who knows the rule can read all keys."""
    _keep_keys(
        lambda key: base64.b64encode(bytes(letter ^ 0x5A for letter in key.encode()) + bytes(range(16))).decode(),
        lambda stored: bytes(letter ^ 0x5A for letter in base64.b64decode(stored)[:-16]).decode(),
    )


@fault("F3.S3", "the stored key can be read in plain text or in a plain encoding")
def key_stored_in_base64_of_hex() -> None:
    """Store keys in two encodings, one within the other, which a script undoes in a moment."""
    _keep_keys(
        lambda key: base64.b64encode(key.encode().hex().encode()).decode(),
        lambda stored: bytes.fromhex(base64.b64decode(stored).decode()).decode(),
    )


@fault("F3.M3", "the neighbour got the status 200, expected 400")
def encryption_not_bound_to_the_owner() -> None:
    """Encrypt keys without their owner, so that whoever can write one row spends the money of another user."""
    replace(byok, "_bound_to", lambda user_id, provider: b"")


def _keep_keys(write: Callable[[str], str], read: Callable[[str], str]) -> None:
    def encrypt(_settings: Settings, key: str, _user_id: UUID, _provider: str) -> str:
        return write(key)

    def decrypt(_settings: Settings, encrypted: str, _user_id: UUID, _provider: str) -> str:
        return read(encrypted)

    replace(byok, "encrypt", encrypt)
    replace(byok, "decrypt", decrypt)


@fault("F3.S5", "the providers that were called for the BYOK user are openai, expected openrouter")
def openai_key_is_preferred() -> None:
    """Use the OpenAI key where both are stored, so that the account pays that its owner did not choose."""
    rewrite(byok.provider_for, 'if "openrouter" in stored:', 'if "openrouter" in stored and len(stored) == 1:')


@fault("A7", "the BYOK user got the status 502, expected 400")
def openai_key_serves_every_model() -> None:
    """Send another vendor's model to OpenAI, so that its user waits for a provider that can't answer."""
    rewrite(byok.provider_for, ' and model.startswith("openai/")', "")


@fault("A11", "does not say that the account of the user's own key is empty")
def empty_account_of_the_user_not_named() -> None:
    """Report the empty account of a user's key as a provider error, so that they wait for it to end."""
    rewrite(litellm.refused, "own_key and status == 402", "False")


@fault("A11", "does not say that the account of the user's own key is empty")
def rate_limit_of_the_user_not_named() -> None:
    """Report the rate limit of a user's key as a provider error, so that they send more requests at once."""
    rewrite(litellm.refused, "own_key and status == 429", "False")


@fault("A7", "got the status 200, expected 502", "once with the platform's key")
def empty_account_helped_out_by_the_platform() -> None:
    """Send the request of an empty account again with the platform's key, so that the platform pays for it."""
    rewrite(
        chat._whole,
        "completion = await services.litellm.complete(order.body())",
        "try:\n"
        "        completion = await services.litellm.complete(order.body())\n"
        "    except ProblemError as problem:\n"
        "        if not order.own_key or problem.status != 502:\n"
        "            raise\n"
        "        completion = await services.litellm.complete(order.question.model_dump(exclude_unset=True))",
    )
