-- name: key_add
-- A key that may do nothing yet; nothing happens when its name is taken.
INSERT INTO api_keys (id, name, hash, scopes, created_at) VALUES (:id, :name, :hash, '[]', :now) ON CONFLICT DO NOTHING;

-- name: key_change
-- What a key may do now.
UPDATE api_keys SET scopes = :scopes, all_mailboxes = :all_mailboxes, networks = :networks, recipients = :recipients,
       on_other_recipients = :on_other_recipients, rate = :rate, enabled = :enabled, expires_at = :expires_at
WHERE id = :id;

-- name: key_add_mailbox
-- A mailbox that the key knows of; nothing happens where the mailbox is no more.
INSERT INTO api_key_mailboxes (key_id, mailbox_id) SELECT :id, id FROM mailboxes WHERE id = :mailbox_id;

-- name: key_remove_mailboxes
-- Forget the mailboxes of a key.
DELETE FROM api_key_mailboxes WHERE key_id = :id;

-- name: key_rotate
-- Another secret in the place of the last one.
UPDATE api_keys SET hash = :hash WHERE id = :id;

-- name: key_used
-- When somebody came in by a key last.
UPDATE api_keys SET last_used_at = :at WHERE id = :id;

-- name: key_remove
-- Forget a key.
DELETE FROM api_keys WHERE id = :id;

-- name: key_list
-- All keys, by name.
SELECT id, name, hash, scopes, all_mailboxes, networks, recipients, on_other_recipients, rate, enabled, expires_at,
       created_at, last_used_at
FROM api_keys ORDER BY name;

-- name: key_mailboxes
-- The mailboxes of all keys that have a list of them.
SELECT k.key_id, m.id, m.address FROM api_key_mailboxes k JOIN mailboxes m ON m.id = k.mailbox_id
ORDER BY m.address_key;
