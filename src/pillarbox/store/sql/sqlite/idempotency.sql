-- name: idempotency_forget
-- Keys that were kept long enough, a few at a time.
DELETE FROM idempotency WHERE (scope, key) IN (
    SELECT scope, key FROM idempotency WHERE created_at < :since ORDER BY created_at LIMIT :limit) RETURNING key;

-- name: idempotency_forget_one
-- This key, if it was kept long enough.
DELETE FROM idempotency WHERE scope = :scope AND key = :key AND created_at < :since;

-- name: idempotency_keep
-- What came of a key; nothing happens where it is there.
INSERT INTO idempotency (scope, key, digest, queue_id, created_at) VALUES (:scope, :key, :digest, :queue_id, :now)
ON CONFLICT DO NOTHING;

-- name: idempotency_find
-- What came of a key.
SELECT digest, queue_id FROM idempotency WHERE scope = :scope AND key = :key AND created_at >= :since;
