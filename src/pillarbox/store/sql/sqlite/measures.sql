-- Figures for whoever watches the service (store/measures.py). None reads a table that grows, but a while of it.

-- name: measures_waiting
-- What waits, by state, and since when the oldest does: since it came, or was to go. What waits for an approval is on its
-- own. All of it stands in the index.
SELECT state, (state = 'held' AND approval = 'wanted') AS for_approval, count(*) AS messages,
       min(max(created_at, send_at)) AS oldest
FROM outbox INDEXED BY outbox_waiting WHERE state IN ('queued', 'deferred', 'held', 'uncertain')
GROUP BY state, (state = 'held' AND approval = 'wanted');

-- name: measures_senders
-- Those of some mailboxes of which one of the newest messages was sent.
SELECT m.value AS id FROM json_each(:mailboxes) m WHERE EXISTS (
    SELECT 1 FROM (SELECT state FROM outbox INDEXED BY outbox_of_mailbox WHERE mailbox_id = m.value AND id > ''
        ORDER BY id DESC LIMIT 1000) WHERE state = 'sent');

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
