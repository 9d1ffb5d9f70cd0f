-- name: person_list
-- All people, by name, with what belongs to each.
SELECT p.id, p.name, p.roles, p.password_hash, p.enabled, p.created_at, p.last_seen_at, p.tenant_id, p.object_id,
       EXISTS (SELECT 1 FROM second_factors f WHERE f.person_id = p.id AND f.confirmed) AS has_second_factor,
       (SELECT count(*) FROM recovery_codes c WHERE c.person_id = p.id) AS recovery_codes,
       (SELECT max(expires_at) FROM invitations i WHERE i.person_id = p.id AND i.used_at IS NULL) AS invited_until
FROM people p ORDER BY p.name;

-- name: person_get
-- The person of this name, with what belongs to it.
SELECT p.id, p.name, p.roles, p.password_hash, p.enabled, p.created_at, p.last_seen_at, p.tenant_id, p.object_id,
       EXISTS (SELECT 1 FROM second_factors f WHERE f.person_id = p.id AND f.confirmed) AS has_second_factor,
       (SELECT count(*) FROM recovery_codes c WHERE c.person_id = p.id) AS recovery_codes,
       (SELECT max(expires_at) FROM invitations i WHERE i.person_id = p.id AND i.used_at IS NULL) AS invited_until
FROM people p WHERE p.name = :name;

-- name: person_of_entra
-- The name of the person with this account of Entra ID.
SELECT name FROM people WHERE tenant_id = :tenant_id AND object_id = :object_id AND object_id <> '';

-- name: person_any
-- Whether there is anybody.
SELECT EXISTS (SELECT 1 FROM people) AS found;

-- name: person_peers
-- From where those who are still here have signed in, the latest first, as the audit log has it.
SELECT p.name, a.peer, max(a.at) AS at FROM audit a JOIN people p ON p.id = a.actor
WHERE a.at >= :since AND a.action = 'sign_in' AND a.outcome = 'done' AND a.peer <> ''
GROUP BY p.name, a.peer ORDER BY max(a.at) DESC LIMIT :most;

-- name: person_add
-- Somebody new; nothing happens when the name is taken, or the account of Entra ID has a name already.
INSERT INTO people (id, name, roles, password_hash, tenant_id, object_id, created_at)
VALUES (:id, :name, :roles, :password_hash, :tenant_id, :object_id, :now)
ON CONFLICT DO NOTHING;

-- name: person_add_first
-- The first of all; nothing happens where there is somebody.
INSERT INTO people (id, name, roles, password_hash, created_at)
SELECT :id, :name, :roles, :password_hash, :now WHERE NOT EXISTS (SELECT 1 FROM people);

-- name: person_change
-- What a person is, and whether they may come in.
UPDATE people SET roles = :roles, enabled = :enabled WHERE id = :id;

-- name: person_set_password
-- Another password; '' = none.
UPDATE people SET password_hash = :password_hash WHERE id = :id;

-- name: person_seen
-- When a person was here last.
UPDATE people SET last_seen_at = :at WHERE id = :id;

-- name: person_remove
-- Forget a person.
DELETE FROM people WHERE id = :id;

-- name: second_factor_enrol
-- A secret of which no code was seen yet; nothing happens where a confirmed one is.
INSERT INTO second_factors (person_id, sealed) VALUES (:person_id, :sealed)
ON CONFLICT (person_id) DO UPDATE SET sealed = excluded.sealed, step = 0 WHERE confirmed = 0;

-- name: second_factor_get
-- The second factor of a person.
SELECT sealed, confirmed, step FROM second_factors WHERE person_id = :person_id;

-- name: second_factor_confirm
-- A first code of it was seen, of this time step.
UPDATE second_factors SET confirmed = 1, step = :step WHERE person_id = :person_id AND confirmed = 0;

-- name: second_factor_take
-- A code of this time step was seen; nothing happens where one of it, or of a later one, was seen before.
UPDATE second_factors SET step = :step WHERE person_id = :person_id AND confirmed = 1 AND step < :step
RETURNING step;

-- name: second_factor_drop
-- No second factor any more.
DELETE FROM second_factors WHERE person_id = :person_id;

-- name: recovery_code_add
-- A code for when the authenticator is lost.
INSERT INTO recovery_codes (person_id, hash) VALUES (:person_id, :hash);

-- name: recovery_code_take
-- Use such a code, once.
DELETE FROM recovery_codes WHERE person_id = :person_id AND hash = :hash RETURNING hash;

-- name: recovery_code_forget
-- All such codes of a person are void.
DELETE FROM recovery_codes WHERE person_id = :person_id;

-- name: invitation_add
-- A link that is good once; for nobody who is there yet: the first administrator.
INSERT INTO invitations (id, person_id, expires_at) VALUES (:id, :person_id, :expires_at);

-- name: invitation_get
-- What a link is for, and whether it was used.
SELECT i.person_id, i.expires_at, i.used_at, p.name FROM invitations i LEFT JOIN people p ON p.id = i.person_id
WHERE i.id = :id;

-- name: invitation_use
-- Use a link, once, in its time.
UPDATE invitations SET used_at = :now WHERE id = :id AND used_at IS NULL AND expires_at > :now;

-- name: invitation_forget
-- Links of a person (NULL: of the first administrator) that were not used are void.
DELETE FROM invitations WHERE person_id IS :person_id AND used_at IS NULL;

-- name: invitation_remove
-- All links of a person.
DELETE FROM invitations WHERE person_id = :person_id;

-- name: invitation_purge
-- Forget links that are long over.
DELETE FROM invitations WHERE expires_at < :before;
