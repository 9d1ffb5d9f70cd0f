-- name: audit_begin
-- Somebody is about to do something.
INSERT INTO audit (at, actor_kind, actor, actor_name, door, peer, action, subject, fields, request_id, outcome, code)
VALUES (:at, :actor_kind, :actor, :actor_name, :door, :peer, :action, :subject, :fields, :request_id, :outcome, :code)
RETURNING seq;

-- name: audit_end
-- How it ended.
UPDATE audit SET outcome = :outcome, code = :code WHERE seq = :seq;

-- name: audit_bounds
-- The first row that is kept and the last; of none 1 and 0.
SELECT coalesce((SELECT seq FROM audit ORDER BY seq LIMIT 1), 1) AS first,
    coalesce((SELECT seq FROM audit ORDER BY seq DESC LIMIT 1), 0) AS last;

-- name: audit_list
-- Who did what, newest first, from row :lowest up to below row :below.
SELECT seq, at, actor_kind, actor, actor_name, door, peer, action, subject, fields, request_id, outcome, code
FROM audit
WHERE seq >= :lowest AND seq < :below
AND (:actor IS NULL OR actor_name = :actor OR actor = :actor)
AND (:action IS NULL OR action = :action)
AND (:since IS NULL OR at >= :since)
AND (:until IS NULL OR at < :until)
ORDER BY seq DESC LIMIT :limit;

-- name: audit_forget
-- Rows of before :since, a few at a time.
DELETE FROM audit WHERE seq IN (SELECT seq FROM audit WHERE at < :since ORDER BY at LIMIT :limit) RETURNING seq;
