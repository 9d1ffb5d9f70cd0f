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

-- name: app_change
-- Other IDs of an app registration.
UPDATE apps SET tenant_id = :tenant_id, client_id = :client_id WHERE id = :id;

-- name: app_remove_credentials
-- Forget the credentials of an app registration.
DELETE FROM credentials WHERE app_id = :id;

-- name: app_remove
-- Forget an app registration that no mailbox and no submitter uses.
DELETE FROM apps WHERE id = :id AND NOT EXISTS (SELECT 1 FROM mailboxes WHERE app_id = :id)
AND NOT EXISTS (SELECT 1 FROM submitter_domains WHERE app_id = :id);

-- name: credential_add
-- A sealed credential of the app registration of this name.
INSERT INTO credentials (id, seq, app_id, kind, source, sealed, ends_at, created_at)
VALUES (:id, (SELECT coalesce(max(seq), 0) + 1 FROM credentials), (SELECT id FROM apps WHERE name = :app), :kind,
        :source, :sealed, :ends_at, :now);

-- name: credential_list
-- The credentials of an app registration, newest first.
SELECT id, kind, source, sealed, ends_at, created_at FROM credentials WHERE app_id = :app_id
ORDER BY seq DESC;

-- name: credential_remove
-- Forget a credential of an app registration, unless it is the last one.
DELETE FROM credentials WHERE id = :id AND app_id = :app_id
AND (SELECT count(*) FROM credentials WHERE app_id = :app_id) > 1;

-- name: credential_told
-- It was told that a credential ends in so many days; nothing changes where that, or less, was told before.
UPDATE credentials SET told_days = :days WHERE id = :id AND told_days > :days;

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

-- name: token_lease
-- The right to ask for a new token, for a while; nothing comes back while another process has it.
INSERT INTO token_leases (owner, holder, until) VALUES (:owner, :holder, :until)
ON CONFLICT (owner) DO UPDATE SET holder = excluded.holder, until = excluded.until
WHERE token_leases.until <= :now OR token_leases.holder = :holder RETURNING owner;

-- name: token_lease_any
-- Whether somebody has the right to ask for a token.
SELECT 1 AS one FROM token_leases LIMIT 1;

-- name: token_lease_clear
-- Take all rights back.
DELETE FROM token_leases;

-- name: token_release
-- Give the right back.
DELETE FROM token_leases WHERE owner = :owner AND holder = :holder;

-- name: mailbox_add
-- A mailbox; nothing comes back when there is one of that address.
INSERT INTO mailboxes (id, address, address_key, app_id, state, state_code, created_at)
VALUES ((SELECT id FROM next_mailbox), :address, :address_key, :app_id, :state, :state_code, :now)
ON CONFLICT DO NOTHING RETURNING id;

-- name: mailbox_make_up
-- A mailbox that a rule for a whole domain makes up; nothing comes back where there is one, or the app has too many.
INSERT INTO mailboxes (id, address, address_key, app_id, made_up, created_at)
SELECT (SELECT id FROM next_mailbox), :address, :address_key, :app_id, 1, :now
WHERE (SELECT count(*) FROM mailboxes WHERE app_id = :app_id AND made_up) < :most
ON CONFLICT DO NOTHING RETURNING id;

-- name: mailbox_change
-- Another app registration acts for a mailbox, by its own rights: a sign-in to the last one is over.
UPDATE mailboxes SET app_id = :app_id, permissions = '', public_client = 0, shared = 0, account = '',
       password_source = '', state = 'ok', state_code = '', assurance = '', test_failed = ''
WHERE id = :id;

-- name: mailbox_remove
-- Forget a mailbox that no message, no submitter and no API key names.
DELETE FROM mailboxes WHERE id = :id AND NOT EXISTS (SELECT 1 FROM outbox WHERE mailbox_id = :id)
AND NOT EXISTS (SELECT 1 FROM submitter_senders WHERE mailbox_id = :id)
AND NOT EXISTS (SELECT 1 FROM submitter_domains WHERE mailbox_id = :id)
AND NOT EXISTS (SELECT 1 FROM api_key_mailboxes WHERE mailbox_id = :id);

-- name: mailbox_signed_in
-- Somebody has signed in for a mailbox.
UPDATE mailboxes SET permissions = :permissions, public_client = :public_client, shared = :shared, account = :account,
       password_source = :password_source, state = 'ok', state_code = '', assurance = '', test_failed = ''
WHERE id = :id;

-- name: mailbox_needs_sign_in
-- A sign-in is at its end; nothing changes where that is known already.
UPDATE mailboxes SET state = 'needs_sign_in', state_code = :code WHERE id = :id AND state <> 'needs_sign_in';

-- name: mailbox_assurance
-- The mode that a test found; nothing changes where the mailbox is not connected any more as it was tested.
UPDATE mailboxes SET assurance = :assurance, test_failed = ''
WHERE id = :id AND app_id = :app_id AND permissions = :permissions AND account = :account;

-- name: mailbox_test_failed
-- Why a test failed where none was good yet: what could be done once is not taken back by what one test meets with.
UPDATE mailboxes SET test_failed = :why WHERE id = :id AND app_id = :app_id AND assurance = '' AND state = 'ok';

-- name: mailbox_move_invited
-- Another app registration shall serve a mailbox for which nobody has signed in yet.
UPDATE mailboxes SET app_id = :app_id WHERE id = :id AND state = 'needs_sign_in' AND permissions = '';

-- name: mailbox_choose
-- How a mailbox sends, by a person's choice; what is NULL stays as it is.
UPDATE mailboxes SET chosen_assurance = coalesce(:assurance, chosen_assurance),
       on_uncertain = coalesce(:on_uncertain, on_uncertain), transport = coalesce(:transport, transport),
       send_limit = coalesce(:send_limit, send_limit)
WHERE id = :id;

-- name: mailbox_list
-- All mailboxes with their app registrations.
SELECT m.id, m.address, m.permissions, m.public_client, m.shared, m.password_source, m.account, m.state, m.state_code,
       m.assurance, m.chosen_assurance, m.transport, m.on_uncertain,
       m.send_limit, m.test_failed, a.id AS app_id, a.name AS app_name, a.tenant_id, a.client_id
FROM mailboxes m JOIN apps a ON a.id = m.app_id ORDER BY m.address_key;

-- name: mailbox_by_key
-- One mailbox with its app registration.
SELECT m.id, m.address, m.permissions, m.public_client, m.shared, m.password_source, m.account, m.state, m.state_code,
       m.assurance, m.chosen_assurance, m.transport, m.on_uncertain,
       m.send_limit, m.test_failed, a.id AS app_id, a.name AS app_name, a.tenant_id, a.client_id
FROM mailboxes m JOIN apps a ON a.id = m.app_id WHERE m.address_key = :address_key;

-- name: mailbox_by_id
-- One mailbox with its app registration.
SELECT m.id, m.address, m.permissions, m.public_client, m.shared, m.password_source, m.account, m.state, m.state_code,
       m.assurance, m.chosen_assurance, m.transport, m.on_uncertain,
       m.send_limit, m.test_failed, a.id AS app_id, a.name AS app_name, a.tenant_id, a.client_id
FROM mailboxes m JOIN apps a ON a.id = m.app_id WHERE m.id = :id;
