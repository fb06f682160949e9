-- Tables of unicorn_db (contract, "Tables of unicorn_db"), created at the start where they are missing.
-- Times are UTC without a time zone. Credits are whole numbers; a wrong balance can't be stored.
-- Reserved credits have a column of their own, so that a balance changes only when a charge is settled.

CREATE TABLE IF NOT EXISTS organizations (
    id uuid PRIMARY KEY,
    name varchar(255) NOT NULL,
    subscription_tier varchar(50),
    created_at timestamp DEFAULT (CURRENT_TIMESTAMP AT TIME ZONE 'UTC')
);

CREATE TABLE IF NOT EXISTS organization_credits (
    org_id uuid PRIMARY KEY REFERENCES organizations (id) ON DELETE CASCADE,
    total_credits integer NOT NULL DEFAULT 0,
    allocated_credits integer NOT NULL DEFAULT 0,   -- sum over the members of allocated less used
    reserved_credits integer NOT NULL DEFAULT 0,
    updated_at timestamp DEFAULT (CURRENT_TIMESTAMP AT TIME ZONE 'UTC'),
    CHECK (0 <= allocated_credits AND allocated_credits <= total_credits),
    CHECK (0 <= reserved_credits AND reserved_credits <= allocated_credits)
);

CREATE TABLE IF NOT EXISTS organization_members (
    id uuid PRIMARY KEY,
    org_id uuid NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    user_email varchar(255) NOT NULL,               -- lower case
    role varchar(50) NOT NULL DEFAULT 'member' CHECK (role IN ('admin', 'member')),
    allocated_credits integer NOT NULL DEFAULT 0,
    used_credits integer NOT NULL DEFAULT 0,
    reserved_credits integer NOT NULL DEFAULT 0,
    user_id uuid,                                   -- bound when the member is first seen
    joined_at timestamp DEFAULT (CURRENT_TIMESTAMP AT TIME ZONE 'UTC'),
    UNIQUE (org_id, user_email),
    UNIQUE (org_id, user_id),
    CHECK (0 <= used_credits AND 0 <= reserved_credits
           AND used_credits::bigint + reserved_credits <= allocated_credits)
);
CREATE INDEX IF NOT EXISTS organization_members_email ON organization_members (user_email);
CREATE INDEX IF NOT EXISTS organization_members_user ON organization_members (user_id);

CREATE TABLE IF NOT EXISTS user_credits (
    user_id uuid PRIMARY KEY,
    credits_remaining integer NOT NULL CHECK (credits_remaining >= 0),
    credits_allocated integer NOT NULL,
    tier varchar(50),
    updated_at timestamp DEFAULT (CURRENT_TIMESTAMP AT TIME ZONE 'UTC'),
    credits_reserved integer NOT NULL DEFAULT 0,
    CHECK (0 <= credits_reserved AND credits_reserved <= credits_remaining)
);

-- The journal of credits. Its rows stay when an organisation is removed.
CREATE TABLE IF NOT EXISTS credit_transactions (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid,
    org_id uuid,
    amount integer NOT NULL,
    transaction_type varchar(50) NOT NULL CHECK (transaction_type IN ('usage', 'purchase', 'grant', 'refund')),
    description text,
    created_at timestamp DEFAULT (CURRENT_TIMESTAMP AT TIME ZONE 'UTC'),
    request_id uuid,
    CHECK (CASE WHEN transaction_type = 'usage' THEN amount < 0 ELSE amount > 0 END)
);
CREATE UNIQUE INDEX IF NOT EXISTS credit_transactions_one_charge_a_request
    ON credit_transactions (request_id) WHERE transaction_type = 'usage';
CREATE INDEX IF NOT EXISTS credit_transactions_user ON credit_transactions (user_id);
CREATE INDEX IF NOT EXISTS credit_transactions_org ON credit_transactions (org_id);

-- One row for each counted call; status 102 while the provider works on it.
CREATE TABLE IF NOT EXISTS usage_tracking (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL,
    org_id uuid,
    request_id uuid NOT NULL UNIQUE,
    endpoint varchar,
    model varchar,
    tokens integer,
    credits integer NOT NULL CHECK (credits >= 0),
    byok boolean NOT NULL,
    status integer NOT NULL,
    created_at timestamp NOT NULL DEFAULT (CURRENT_TIMESTAMP AT TIME ZONE 'UTC'),
    ended_in xid8 NOT NULL DEFAULT pg_current_xact_id()  -- the transaction that gave it its last status
);
CREATE INDEX IF NOT EXISTS usage_tracking_user ON usage_tracking (user_id, created_at);
CREATE INDEX IF NOT EXISTS usage_tracking_org ON usage_tracking (org_id, user_id) WHERE org_id IS NOT NULL;

CREATE TABLE IF NOT EXISTS user_byok_keys (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL,
    provider varchar(50) NOT NULL,
    encrypted_key text NOT NULL,
    key_preview varchar(16),
    created_at timestamp DEFAULT (CURRENT_TIMESTAMP AT TIME ZONE 'UTC'),
    UNIQUE (user_id, provider)
);

-- Credits reserved for calls under way; a row is removed when its call is settled or released.
CREATE TABLE IF NOT EXISTS credit_reservations (
    request_id uuid PRIMARY KEY,
    user_id uuid NOT NULL,
    member_id uuid REFERENCES organization_members (id) ON DELETE CASCADE,
    credits integer NOT NULL CHECK (credits > 0)
);

-- First answers, given again for the same key (contract, EP9 step 3). No status while the request runs.
CREATE TABLE IF NOT EXISTS idempotency_keys (
    user_id uuid NOT NULL,
    endpoint varchar NOT NULL,
    key varchar(255) NOT NULL,
    body_hash char(64) NOT NULL,
    status integer,
    media_type varchar,
    answer text,
    created_at timestamp NOT NULL DEFAULT (CURRENT_TIMESTAMP AT TIME ZONE 'UTC'),
    PRIMARY KEY (user_id, endpoint, key)
);

-- The last tier from Lago, for the time when Lago is away.
CREATE TABLE IF NOT EXISTS known_tiers (
    user_id uuid PRIMARY KEY,
    tier varchar NOT NULL,
    subscription_id varchar                         -- the subscription's external_id; null without one
);

-- The outbox: events that Lago has not accepted yet.
CREATE TABLE IF NOT EXISTS lago_events (
    request_id uuid PRIMARY KEY,
    user_id uuid,
    subscription_id varchar,                        -- null until it is known
    model varchar NOT NULL,
    tokens integer NOT NULL,
    credits integer NOT NULL,
    byok boolean NOT NULL,
    happened_at timestamp NOT NULL,
    due_at timestamp NOT NULL DEFAULT (CURRENT_TIMESTAMP AT TIME ZONE 'UTC')
);
CREATE INDEX IF NOT EXISTS lago_events_due ON lago_events (due_at);
