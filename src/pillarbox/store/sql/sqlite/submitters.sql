-- name: submitter_add
-- A submitter that can do nothing yet; nothing happens when the name is taken.
INSERT INTO submitters (name, password_hash, created_at) VALUES (:name, '', :now)
ON CONFLICT DO NOTHING;

-- name: submitter_change
-- What a submitter may do now, and its password.
UPDATE submitters SET password_hash = :password_hash, enabled = :enabled, force_from = :force_from, fix_from = :fix_from,
       recipients = :recipients, rate = :rate, max_size = :max_size, priority = :priority, max_age = :max_age,
       on_broken = :on_broken
WHERE name = :name;

-- name: submitter_used
-- When a submitter handed in a message last.
UPDATE submitters SET last_used_at = :at WHERE id = :id;

-- name: submitter_add_sender
-- An address that the submitter of this name may use, and the mailbox it leaves from.
INSERT INTO submitter_senders (submitter_id, address_key, mailbox_id, position)
VALUES ((SELECT id FROM submitters WHERE name = :name), :address_key, :mailbox_id, :position);

-- name: submitter_add_domain
-- Every address of a domain for the submitter of this name: from a mailbox, or by an app registration.
INSERT INTO submitter_domains (submitter_id, domain, mailbox_id, app_id)
VALUES ((SELECT id FROM submitters WHERE name = :name), :domain, :mailbox_id, :app_id);

-- name: submitter_add_network
-- A network whose clients are the submitter of this name; nothing happens where it is another one's.
INSERT INTO submitter_networks (network, submitter_id)
VALUES (:network, (SELECT id FROM submitters WHERE name = :name))
ON CONFLICT DO NOTHING;

-- name: submitter_add_unix
-- A user or group of this machine who is the submitter of this name; nothing happens where it is another one's.
INSERT INTO submitter_unix (kind, name, submitter_id)
VALUES (:kind, :unix_name, (SELECT id FROM submitters WHERE name = :name))
ON CONFLICT DO NOTHING;

-- name: submitter_add_token
-- A token of the submitter of this name; nothing happens when its id is taken.
INSERT INTO submitter_tokens (id, submitter_id, hash, created_at)
VALUES (:id, (SELECT id FROM submitters WHERE name = :name), :hash, :now)
ON CONFLICT DO NOTHING;

-- name: submitter_remove_senders
-- Forget the addresses of a submitter.
DELETE FROM submitter_senders WHERE submitter_id = (SELECT id FROM submitters WHERE name = :name);

-- name: submitter_remove_domains
-- Forget the domains of a submitter.
DELETE FROM submitter_domains WHERE submitter_id = (SELECT id FROM submitters WHERE name = :name);

-- name: submitter_remove_networks
-- Forget the networks of a submitter.
DELETE FROM submitter_networks WHERE submitter_id = (SELECT id FROM submitters WHERE name = :name);

-- name: submitter_remove_unix
-- Forget the users and groups of a submitter.
DELETE FROM submitter_unix WHERE submitter_id = (SELECT id FROM submitters WHERE name = :name);

-- name: submitter_remove_tokens
-- Forget the tokens of a submitter.
DELETE FROM submitter_tokens WHERE submitter_id = (SELECT id FROM submitters WHERE name = :name);

-- name: submitter_remove_token
-- Forget one token of a submitter.
DELETE FROM submitter_tokens WHERE id = :id AND submitter_id = (SELECT id FROM submitters WHERE name = :name);

-- name: submitter_keep_site
-- From where the submitter of this name has logged in; nothing happens where it is no more.
INSERT INTO submitter_sites (submitter_id, site, at) SELECT id, :site, :at FROM submitters WHERE name = :name
ON CONFLICT (submitter_id, site) DO UPDATE SET at = excluded.at;

-- name: submitter_shrink_sites
-- Forget what is too old, and all but the latest.
DELETE FROM submitter_sites
WHERE at < :since OR at < (SELECT at FROM submitter_sites ORDER BY at DESC LIMIT 1 OFFSET :most - 1);

-- name: submitter_remove_sites
-- Forget from where a submitter has logged in.
DELETE FROM submitter_sites WHERE submitter_id = (SELECT id FROM submitters WHERE name = :name);

-- name: submitter_remove
-- Forget a submitter.
DELETE FROM submitters WHERE name = :name;

-- name: submitter_list
-- All submitters.
SELECT id, name, password_hash, enabled, force_from, fix_from, recipients, rate, max_size, priority, max_age,
       on_broken, last_used_at
FROM submitters ORDER BY name;

-- name: submitter_senders
-- The addresses of all submitters, each with its mailbox.
SELECT s.submitter_id, s.address_key, m.id, m.address, m.permissions, m.public_client, m.shared, m.password_source,
       m.account, m.state, m.state_code, m.assurance, m.chosen_assurance, m.transport, m.on_uncertain,
       m.send_limit, m.test_failed, a.id AS app_id, a.name AS app_name, a.tenant_id, a.client_id
FROM submitter_senders s JOIN mailboxes m ON m.id = s.mailbox_id JOIN apps a ON a.id = m.app_id
ORDER BY s.submitter_id, s.position, s.address_key;

-- name: submitter_domain_mailboxes
-- The domains of all submitters that leave from one mailbox.
SELECT d.submitter_id, d.domain, m.id, m.address, m.permissions, m.public_client, m.shared, m.password_source,
       m.account, m.state, m.state_code, m.assurance, m.chosen_assurance, m.transport, m.on_uncertain,
       m.send_limit, m.test_failed, a.id AS app_id, a.name AS app_name, a.tenant_id, a.client_id
FROM submitter_domains d JOIN mailboxes m ON m.id = d.mailbox_id JOIN apps a ON a.id = m.app_id
ORDER BY d.submitter_id, d.domain;

-- name: submitter_domain_apps
-- The domains of all submitters whose addresses leave each from its own mailbox, by an app registration.
SELECT d.submitter_id, d.domain, a.id, a.name, a.tenant_id, a.client_id
FROM submitter_domains d JOIN apps a ON a.id = d.app_id ORDER BY d.submitter_id, d.domain;

-- name: submitter_networks
-- The networks of all submitters.
SELECT submitter_id, network FROM submitter_networks ORDER BY network;

-- name: submitter_unix
-- The users and groups of all submitters, users first.
SELECT submitter_id, kind, name FROM submitter_unix ORDER BY kind DESC, name;

-- name: submitter_tokens
-- The tokens of all submitters, oldest first.
SELECT id, submitter_id, hash, created_at FROM submitter_tokens ORDER BY created_at, id;

-- name: submitter_sites
-- From where submitters have logged in, the latest first.
SELECT k.site, s.name, k.at FROM submitter_sites k JOIN submitters s ON s.id = k.submitter_id
WHERE k.at >= :since ORDER BY k.at DESC LIMIT :most;
