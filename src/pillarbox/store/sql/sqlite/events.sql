-- name: event_add
-- Something happened. Of messages and pauses triggers tell (migrations/0005-api.sql).
INSERT INTO events (type, subject, mailbox_id, data, created_at) VALUES (:type, :subject, :mailbox_id, :data, :now);

-- name: event_bounds
-- The first event that is kept and the last; none where nothing has happened yet. And when event :seq was.
SELECT (SELECT seq FROM events ORDER BY seq LIMIT 1) AS first, (SELECT seq FROM events ORDER BY seq DESC LIMIT 1) AS last,
    (SELECT created_at FROM events WHERE seq = :seq) AS at;

-- name: event_list
-- What happened after event :after and up to event :until, oldest first; of these types and of these mailboxes, where they are given.
SELECT seq, type, subject, mailbox_id, data, created_at FROM events WHERE seq > :after AND seq <= :until
AND (:types IS NULL OR type IN (SELECT value FROM json_each(:types)))
AND (:mailboxes IS NULL OR mailbox_id IN (SELECT value FROM json_each(:mailboxes)))
ORDER BY seq LIMIT :limit;

-- name: event_newest
-- The same, newest first.
SELECT seq, type, subject, mailbox_id, data, created_at FROM events WHERE seq > :after AND seq <= :until
AND (:types IS NULL OR type IN (SELECT value FROM json_each(:types)))
AND (:mailboxes IS NULL OR mailbox_id IN (SELECT value FROM json_each(:mailboxes)))
ORDER BY seq DESC LIMIT :limit;

-- name: event_since
-- What the events after :after are about.
SELECT seq, type, subject, mailbox_id FROM events WHERE seq > :after ORDER BY seq LIMIT :limit;

-- name: event_told
-- Whether an event says just this.
SELECT seq FROM events WHERE type = :type AND subject = :subject AND data = :data ORDER BY seq DESC LIMIT 1;

-- name: event_forget
-- The first :limit events up to the last old one of them: no gaps. The last one of all stays, as the next one's number
-- comes of it.
DELETE FROM events WHERE seq <= (
    SELECT max(seq) FROM (SELECT seq, created_at FROM events ORDER BY seq LIMIT :limit) WHERE created_at <= :since)
AND seq < (SELECT max(seq) FROM events) RETURNING seq;
