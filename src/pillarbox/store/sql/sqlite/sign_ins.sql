-- name: sign_in_purge
-- Forget the sign-ins whose time is over.
DELETE FROM sign_ins WHERE expires_at <= :now;

-- name: sign_in_keep
-- A sign-in that has begun.
INSERT INTO sign_ins (id, mailbox_id, sealed, expires_at) VALUES (:id, :mailbox_id, :sealed, :expires_at);

-- name: sign_in_take
-- A sign-in that comes back, once.
DELETE FROM sign_ins WHERE id = :id RETURNING sealed, expires_at;

-- name: sign_in_peek
-- A sign-in that has begun.
SELECT sealed, expires_at FROM sign_ins WHERE id = :id;

-- name: sign_in_replace
-- Other content of a sign-in that has begun.
UPDATE sign_ins SET sealed = :sealed WHERE id = :id RETURNING id;

-- name: sign_in_forget
-- Forget what has begun for a mailbox.
DELETE FROM sign_ins WHERE mailbox_id = :mailbox_id;
