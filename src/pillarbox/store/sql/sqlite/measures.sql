-- Figures for whoever watches the service (store/measures.py). Each reads an index and no table.

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

-- name: measures_last_event
-- Events are numbered from 1 on, and the last one is never dropped.
SELECT coalesce(max(seq), 0) AS last FROM events;
