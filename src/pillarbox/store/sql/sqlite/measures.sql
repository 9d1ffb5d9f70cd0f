-- Figures for whoever watches the service (store/measures.py). None reads a table that grows.

-- name: measures_waiting
-- What waits, by state, and since when the oldest does: what was accepted first has the least number.
SELECT w.state, w.messages, o.created_at AS oldest FROM (
    SELECT state, count(*) AS messages, min(seq) AS seq FROM outbox INDEXED BY outbox_due
    WHERE state IN ('queued', 'deferred') GROUP BY state
    UNION ALL
    SELECT 'held', count(*), min(seq) FROM outbox INDEXED BY outbox_held WHERE state = 'held'
    UNION ALL
    SELECT 'uncertain', count(*), min(seq) FROM outbox INDEXED BY outbox_doubtful WHERE state = 'uncertain') AS w
JOIN outbox AS o ON o.seq = w.seq;

-- name: measures_credentials
-- The credentials whose end is known; what is sealed in them is not looked at.
SELECT a.name AS app, c.id, c.kind, c.ends_at FROM credentials AS c JOIN apps AS a ON a.id = c.app_id
WHERE c.ends_at IS NOT NULL;

-- name: measures_last_event
-- Events are numbered from 1 on, and the last one is never dropped.
SELECT coalesce(max(seq), 0) AS last FROM events;
