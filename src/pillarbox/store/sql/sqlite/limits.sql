-- name: pause_list
-- Who is not sent for, the oldest pause first.
SELECT * FROM pauses ORDER BY at, scope, cause;

-- name: pause_begin
-- Nothing of this scope is sent until then; one of the same cause gives way.
INSERT INTO pauses (scope, cause, until, reason, at) VALUES (:scope, :cause, :until, :reason, :now)
ON CONFLICT (scope, cause) DO UPDATE SET until = excluded.until, reason = excluded.reason, at = excluded.at;

-- name: pause_end
-- One pause of a scope is over.
DELETE FROM pauses WHERE scope = :scope AND cause = :cause RETURNING scope;

-- name: pause_forget
-- What ends by time alone and has ended; :probed end by a message that is taken.
DELETE FROM pauses WHERE until <= :now AND cause NOT IN (SELECT value FROM json_each(:probed));

-- name: limits_release
-- The account is good again: all that was held for it goes, in the order in which it came. However old it has become
-- meanwhile, it is tried for an hour (delivery/policy.py).
UPDATE outbox SET state = 'queued', due_at = min(max(created_at, send_at), :now), finished_at = NULL, code = '',
    reason = '', cure = '', request_id = ''
WHERE mailbox_id = :mailbox_id AND state = 'held' AND cause = :cause RETURNING id;

-- name: limits_release_everywhere
-- As limits_release, for what was held for a host: of all mailboxes.
UPDATE outbox SET state = 'queued', due_at = min(max(created_at, send_at), :now), finished_at = NULL, code = '',
    reason = '', cure = '', request_id = ''
WHERE state = 'held' AND cause = :cause RETURNING mailbox_id;

-- name: limits_release_of_app
-- As limits_release, for what was held for an app registration: of all its mailboxes.
UPDATE outbox SET state = 'queued', due_at = min(max(created_at, send_at), :now), finished_at = NULL, code = '',
    reason = '', cure = '', request_id = ''
WHERE mailbox_id IN (SELECT id FROM mailboxes WHERE app_id = :app_id) AND state = 'held' AND cause = :cause
RETURNING mailbox_id;

-- name: limits_hasten
-- What was put off for a fault that is over is due now, not all at once.
UPDATE outbox SET due_at = min(due_at, :now + seq % 30)
WHERE mailbox_id IN (SELECT id FROM mailboxes
        WHERE (:app_id IS NULL OR app_id = :app_id) AND (:mailbox_id IS NULL OR id = :mailbox_id))
    AND state IN ('queued', 'deferred') AND state = 'deferred' AND cause = :cause
RETURNING mailbox_id;

-- name: limits_held
-- Mailboxes with something held for one of these causes: a probe can be taken of it.
SELECT m.id AS mailbox_id, c.value AS cause FROM mailboxes m CROSS JOIN json_each(:causes) c
WHERE EXISTS (SELECT 1 FROM outbox WHERE mailbox_id = m.id AND cause = c.value AND state = 'held');

-- name: limits_used
-- What each mailbox has sent since then, summed up by slots of so many seconds. An attempt that Microsoft has not taken
-- was its requests and no more.
SELECT o.mailbox_id, m.app_id, CAST(a.started_at / :slot AS INTEGER) * :slot AS at, sum(a.requests) AS requests,
    sum(a.verdict IN ('sent', 'uncertain')) AS messages,
    sum(iif(a.verdict IN ('sent', 'uncertain'), json_array_length(o.recipients), 0)) AS recipients,
    sum(o.size) AS bytes
FROM attempts a JOIN outbox o ON o.seq = a.seq JOIN mailboxes m ON m.id = o.mailbox_id
WHERE a.started_at > :since AND a.started_at <= :now GROUP BY 1, 2, 3 ORDER BY 3;
