-- Ends the calls of a process that stopped in the middle of them: nothing stays reserved.
INSERT INTO lago_events (request_id, user_id, subscription_id, model, tokens, credits, byok, happened_at)
    SELECT u.request_id, u.user_id, CASE WHEN t.user_id IS NOT NULL THEN COALESCE(t.subscription_id, u.user_id::text) END, COALESCE(u.model, ''), 0, 0, u.byok, u.created_at
    FROM usage_tracking u LEFT JOIN known_tiers t USING (user_id)
    WHERE u.status = 102;
UPDATE usage_tracking SET status = 500, tokens = 0, ended_in = pg_current_xact_id() WHERE status = 102;
UPDATE user_credits SET credits_reserved = 0 WHERE credits_reserved > 0;
UPDATE organization_members SET reserved_credits = 0 WHERE reserved_credits > 0;
UPDATE organization_credits SET reserved_credits = 0 WHERE reserved_credits > 0;
DELETE FROM credit_reservations;
DELETE FROM idempotency_keys WHERE status IS NULL;
