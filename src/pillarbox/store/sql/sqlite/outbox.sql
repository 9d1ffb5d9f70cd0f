-- name: outbox_enqueue
-- A message that was accepted; committed before the door says 250.
INSERT INTO outbox (id, mailbox_id, submitter, sender, recipients, dsn, size, message_id, purpose, arrival, notes,
                    fingerprint, created_at, state, due_at)
VALUES (:id, :mailbox_id, :submitter, :sender, :recipients, :dsn, :size, :message_id, :purpose, :arrival, :notes,
        :fingerprint, :now, 'queued', :now);

-- name: outbox_add_part
-- One piece of the body of the message that was enqueued in the same transaction.
INSERT INTO bodies (seq, part, data) VALUES ((SELECT seq FROM outbox WHERE id = :id), :part, :data);

-- name: outbox_part
-- One piece of the body of a message.
SELECT data FROM bodies WHERE seq = :seq AND part = :part;

-- name: outbox_claim
-- "About to send": take up to :limit messages of a mailbox that are due, oldest first, each with its first part. From
-- here on Microsoft may have them.
UPDATE outbox SET state = 'sending', started_at = :now, attempts = attempts + 1, began_at = :now, checks = 0
WHERE seq IN (
    SELECT seq FROM outbox
    WHERE mailbox_id = :mailbox_id AND state IN ('queued', 'deferred') AND due_at <= :now
    ORDER BY due_at, seq LIMIT :limit)
RETURNING seq, id, submitter, sender, recipients, dsn, message_id, size, created_at, attempts, due_at,
    cause, repeats, expires_at,
    draft_id, checks, (SELECT data FROM bodies WHERE bodies.seq = outbox.seq AND part = 0) AS part;

-- name: outbox_keep_draft
-- The draft that Microsoft has made of a message that is being sent.
UPDATE outbox SET draft_id = :draft_id WHERE seq = :seq AND state IN ('sending', 'uncertain');

-- name: outbox_doubtful
-- Take up to :limit uncertain messages of a mailbox to look for them; until then nobody else does.
UPDATE outbox SET due_at = :until
WHERE seq IN (
    SELECT seq FROM outbox WHERE mailbox_id = :mailbox_id AND state = 'uncertain' AND due_at <= :now
    ORDER BY due_at, seq LIMIT :limit)
RETURNING seq, id, submitter, sender, recipients, dsn, message_id, size, created_at, attempts, due_at,
    cause, repeats, expires_at,
    draft_id, checks, began_at, NULL AS part;

-- name: outbox_looked
-- What a look-up comes to. It is about the attempt that was; a person may have decided meanwhile.
UPDATE outbox SET state = :state, due_at = :due_at, checks = :checks, finished_at = :finished_at,
    maybe_duplicate = max(maybe_duplicate, :maybe_duplicate)
WHERE seq = :seq AND state = 'uncertain';

-- name: outbox_note_look
-- A sentence about a look-up, in the trace of its attempt.
UPDATE attempts SET notes = json_insert(notes, '$[#]', :note) WHERE seq = :seq AND number = :number;

-- name: outbox_finish
-- The result of an attempt: the next state, and why.
UPDATE outbox SET state = :state, due_at = :due_at, started_at = NULL, finished_at = :finished_at,
    cause = :cause, repeats = :repeats, code = :code, reason = :reason, cure = :cure, request_id = :request_id
WHERE seq = :seq AND state = 'sending';

-- name: outbox_add_attempt
-- What one attempt came to, kept for the trace.
INSERT INTO attempts (seq, number, started_at, ended_at, verdict, cause, http_status, code, reason, request_id, notes)
VALUES (:seq, :number, :started_at, :ended_at, :verdict, :cause, :http_status, :code, :reason, :request_id, :notes);

-- name: outbox_recover_unstarted
-- After a crash of a former version, which claimed before it began: that has certainly not been sent.
UPDATE outbox SET state = 'queued' WHERE state = 'sending' AND started_at IS NULL;

-- name: outbox_recover_attempts
-- After a crash: keep the interrupted attempt in the trace.
INSERT INTO attempts (seq, number, started_at, ended_at, verdict, cause, http_status, code, reason, request_id, notes)
SELECT seq, attempts, started_at, :now, 'uncertain', 'interrupted', NULL, :code, :reason, '', '[]' FROM outbox WHERE state = 'sending';

-- name: outbox_recover_started
-- After a crash: what was begun may have been sent.
UPDATE outbox SET state = 'uncertain', due_at = started_at + iif(
        (SELECT coalesce(nullif(m.chosen_assurance, ''), m.assurance) FROM mailboxes m WHERE m.id = outbox.mailbox_id)
        IN ('verify', 'draft'), :first_look, :last_look), started_at = NULL,
    repeats = iif(cause = 'interrupted', repeats + 1, 1), cause = 'interrupted', code = :code, reason = :reason, cure = :cure
WHERE state = 'sending' RETURNING id;

-- name: outbox_clock_went_back
-- What is queued is due, whatever the clock said when it was; and no wait is longer than the longest there is.
UPDATE outbox SET due_at = :now
WHERE (state = 'queued' AND due_at > :now) OR (state = 'deferred' AND due_at > :now + :longest_wait);

-- name: outbox_due_mailboxes
-- Mailboxes with something to send, and when the first of it is due.
SELECT mailbox_id, min(due_at) AS due_at FROM outbox WHERE state IN ('queued', 'deferred') GROUP BY mailbox_id;

-- name: outbox_due_looks
-- Mailboxes with something to look up, and when the first of it is due.
SELECT mailbox_id, min(due_at) AS due_at FROM outbox WHERE state = 'uncertain' GROUP BY mailbox_id;

-- name: outbox_get
-- One message.
SELECT o.*, m.address AS mailbox FROM outbox o JOIN mailboxes m ON m.id = o.mailbox_id WHERE o.id = :id;

-- name: outbox_attempts
-- The attempts of a message, first to last.
SELECT * FROM attempts WHERE seq = :seq ORDER BY number;

-- name: outbox_list
-- The newest messages, or those before :before; of one state where :state is given.
SELECT o.*, m.address AS mailbox FROM outbox o JOIN mailboxes m ON m.id = o.mailbox_id
WHERE (:state IS NULL OR o.state = :state) AND (:before IS NULL OR o.id < :before)
ORDER BY o.id DESC LIMIT :limit;

-- name: outbox_retry
-- Send again, now, what waits for a person or for its time.
UPDATE outbox SET state = 'queued', due_at = :now, finished_at = NULL, code = '', reason = '', cure = '', request_id = ''
WHERE id = :id AND state IN ('held', 'uncertain', 'deferred', 'failed', 'canceled') RETURNING id;

-- name: outbox_retry_signed_in
-- Send again, now, what was held for want of a token, now that somebody has signed in for its mailbox.
UPDATE outbox SET state = 'queued', due_at = :now, finished_at = NULL, code = '', reason = '', cure = '', request_id = ''
WHERE mailbox_id = :mailbox_id AND state = 'held'
AND (code LIKE 'token.%' OR code = 'microsoft.token_refused') RETURNING id;

-- name: outbox_cancel
-- Do not send any more what was not begun.
UPDATE outbox SET state = 'canceled', finished_at = :now, code = '', reason = '', cure = ''
WHERE id = :id AND state IN ('queued', 'deferred', 'held', 'uncertain', 'failed') RETURNING id;

-- name: outbox_count
-- How many messages are in which state.
SELECT state, count(*) AS messages FROM outbox GROUP BY state;

-- name: outbox_waiting
-- What waits for each mailbox: to be sent, or for a person. Two queries, as each has an index.
SELECT mailbox_id, count(*) AS messages, sum(size) AS size FROM (
    SELECT mailbox_id, size FROM outbox WHERE state IN ('queued', 'deferred')
    UNION ALL
    SELECT mailbox_id, size FROM outbox WHERE state = 'held')
GROUP BY mailbox_id;

-- name: outbox_add_note
-- One more sentence on the way in of a message.
UPDATE outbox SET notes = json_insert(notes, '$[#]', :note) WHERE id = :id;

-- name: outbox_unheard
-- Messages whose clients may hand them in again, the newest first. Queue ids sort by age.
SELECT id, fingerprint, created_at FROM outbox
WHERE id >= :since AND heard = 0 AND fingerprint <> '' ORDER BY id DESC LIMIT :limit;

-- name: outbox_mark_heard
-- The clients of all of them, but a few, went on after our 250.
UPDATE outbox SET heard = 1
WHERE id >= :since AND heard = 0 AND fingerprint <> '' AND id NOT IN (SELECT value FROM json_each(:but));
