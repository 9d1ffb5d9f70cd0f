-- name: app_add
-- An app registration; nothing happens when its name is taken.
INSERT INTO apps (name, tenant_id, client_id, created_at) VALUES (:name, :tenant_id, :client_id, :now)
ON CONFLICT DO NOTHING;

-- name: app_list
-- All app registrations.
SELECT id, name, tenant_id, client_id FROM apps ORDER BY name;

-- name: app_by_name
-- One app registration.
SELECT id, name, tenant_id, client_id FROM apps WHERE name = :name;

-- name: credential_add
-- A sealed credential of the app registration of this name.
INSERT INTO credentials (app_id, sealed, created_at) VALUES ((SELECT id FROM apps WHERE name = :app), :sealed, :now);

-- name: credential_newest
-- The credential to use: the newest.
SELECT sealed FROM credentials WHERE app_id = :app_id ORDER BY id DESC LIMIT 1;

-- name: credential_any
-- Whether the store holds a sealed value.
SELECT 1 AS one FROM credentials LIMIT 1;

-- name: token_cache_load
-- The sealed token cache of an app registration or mailbox.
SELECT sealed FROM token_caches WHERE owner = :owner;

-- name: token_cache_save
-- Keep a sealed token cache in the place of the last one.
INSERT INTO token_caches (owner, sealed, updated_at) VALUES (:owner, :sealed, :now)
ON CONFLICT (owner) DO UPDATE SET sealed = excluded.sealed, updated_at = excluded.updated_at;

-- name: token_cache_forget
-- Throw a token cache away.
DELETE FROM token_caches WHERE owner = :owner;

-- name: mailbox_add
-- A mailbox; nothing comes back when there is one of that address.
INSERT INTO mailboxes (address, address_key, app_id, created_at) VALUES (:address, :address_key, :app_id, :now)
ON CONFLICT DO NOTHING RETURNING id;

-- name: mailbox_list
-- All mailboxes with their app registrations.
SELECT m.id, m.address, a.id AS app_id, a.name AS app_name, a.tenant_id, a.client_id
FROM mailboxes m JOIN apps a ON a.id = m.app_id ORDER BY m.address_key;

-- name: mailbox_by_key
-- One mailbox with its app registration.
SELECT m.id, m.address, a.id AS app_id, a.name AS app_name, a.tenant_id, a.client_id
FROM mailboxes m JOIN apps a ON a.id = m.app_id WHERE m.address_key = :address_key;

-- name: mailbox_by_id
-- One mailbox with its app registration.
SELECT m.id, m.address, a.id AS app_id, a.name AS app_name, a.tenant_id, a.client_id
FROM mailboxes m JOIN apps a ON a.id = m.app_id WHERE m.id = :id;

-- name: submitter_add
-- A submitter; nothing happens when the name is taken.
INSERT INTO submitters (name, password_hash, created_at) VALUES (:name, :password_hash, :now)
ON CONFLICT DO NOTHING;

-- name: submitter_add_sender
-- An address that the submitter of this name may use, and the mailbox it leaves from.
INSERT INTO submitter_senders (submitter_id, address_key, mailbox_id)
VALUES ((SELECT id FROM submitters WHERE name = :name), :address_key, :mailbox_id);

-- name: submitter_remove_senders
-- Forget the addresses of a submitter.
DELETE FROM submitter_senders WHERE submitter_id = (SELECT id FROM submitters WHERE name = :name);

-- name: submitter_remove
-- Forget a submitter.
DELETE FROM submitters WHERE name = :name;

-- name: submitter_list
-- All submitters.
SELECT id, name, password_hash FROM submitters ORDER BY name;

-- name: submitter_by_name
-- One submitter.
SELECT id, name, password_hash FROM submitters WHERE name = :name;

-- name: submitter_senders
-- The addresses of a submitter, each with its mailbox.
SELECT s.address_key, m.id, m.address, a.id AS app_id, a.name AS app_name, a.tenant_id, a.client_id
FROM submitter_senders s JOIN mailboxes m ON m.id = s.mailbox_id JOIN apps a ON a.id = m.app_id
WHERE s.submitter_id = :submitter_id ORDER BY s.address_key;
