-- name: session_add
-- Somebody has signed in; nothing happens where they may not come in any more, or their password is another one now.
INSERT INTO sessions (id, person_id, created_at, seen_at, peer, agent)
SELECT :id, id, :now, :now, :peer, :agent FROM people
WHERE id = :person_id AND enabled = 1 AND password_hash = :password_hash;

-- name: session_get
-- A session that is not over, with its person. Those of who may not come in any more were ended with that; who came
-- by Entra ID, and by another tenant than the one that the settings name now (:tenant), may not either.
SELECT s.id, s.created_at, s.seen_at, s.peer, s.agent, p.id AS person_id, p.name, p.roles
FROM sessions s JOIN people p ON p.id = s.person_id
WHERE s.id = :id AND s.created_at > :began_after AND s.seen_at > :seen_after AND p.tenant_id IN ('', :tenant);

-- name: session_list
-- The sessions of a person that are not over, the last used first.
SELECT s.id, s.created_at, s.seen_at, s.peer, s.agent, p.id AS person_id, p.name, p.roles
FROM sessions s JOIN people p ON p.id = s.person_id
WHERE s.person_id = :person_id AND s.created_at > :began_after AND s.seen_at > :seen_after
ORDER BY s.seen_at DESC, s.id;

-- name: session_seen
-- A session was used.
UPDATE sessions SET seen_at = :at WHERE id = :id;

-- name: session_end
-- A session is over.
DELETE FROM sessions WHERE id = :id;

-- name: session_end_all
-- All sessions of a person are over.
DELETE FROM sessions WHERE person_id = :person_id;

-- name: session_purge
-- Forget sessions whose time is over.
DELETE FROM sessions WHERE created_at <= :began_before OR seen_at <= :seen_before;
