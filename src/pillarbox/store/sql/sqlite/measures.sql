-- Figures for whoever watches the service (store/measures.py). None reads a table that grows, but a while of it.

-- name: measures_waiting
-- What waits, by state, and since when the oldest does: since it came, or was to go. What is to go later is none yet; what
-- waits for an approval is on its own.
SELECT state, for_approval, count(*) AS messages, coalesce(min(since), :now) AS oldest FROM (
    SELECT state, 0 AS for_approval, iif(send_at <= :now, max(created_at, send_at), NULL) AS since
    FROM outbox INDEXED BY outbox_due WHERE state IN ('queued', 'deferred')
    UNION ALL
    SELECT state, approval = 'wanted', iif(send_at <= :now, max(created_at, send_at), NULL)
    FROM outbox INDEXED BY outbox_held WHERE state = 'held'
    UNION ALL
    SELECT state, 0, iif(send_at <= :now, max(created_at, send_at), NULL)
    FROM outbox INDEXED BY outbox_doubtful WHERE state = 'uncertain') GROUP BY state, for_approval
ORDER BY state, for_approval;

-- name: measures_attempts
-- What the attempts of a while came to, by cause.
SELECT iif(verdict = 'sent', 'accepted', cause) AS cause, count(*) AS attempts FROM attempts INDEXED BY attempts_begun
WHERE started_at >= :since AND started_at < :until GROUP BY 1;

-- name: measures_credentials
-- The credentials whose end is known; what is sealed in them is not looked at.
SELECT a.name AS app, c.id, c.kind, c.ends_at FROM credentials AS c JOIN apps AS a ON a.id = c.app_id
WHERE c.ends_at IS NOT NULL;

-- name: measures_last_event
-- Events are numbered from 1 on, and the last one is never dropped.
SELECT coalesce(max(seq), 0) AS last FROM events;
