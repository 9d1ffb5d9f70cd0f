-- name: outbox_enqueue
-- A message that was accepted; committed before the door says 250.
INSERT INTO outbox (id, mailbox_id, submitter, sender, recipients, dsn, size, message_id, purpose, arrival, notes,
                    fingerprint, created_at, state, due_at, send_at, expires_at, max_age, priority, approval, code, reason,
                    cure, transport)
VALUES (:id, :mailbox_id, :submitter, :sender, :recipients, :dsn, :size, :message_id, :purpose, :arrival, :notes,
        :fingerprint, :now, :state, max(:now, :send_at), :send_at, :expires_at, :expires_at - max(:now, :send_at), :priority, :approval,
        :code, :reason, :cure, :transport);

-- name: outbox_add_part
-- One piece of the body of the message that was enqueued in the same transaction.
INSERT INTO bodies (seq, part, data) VALUES ((SELECT seq FROM outbox WHERE id = :id), :part, :data);

-- name: outbox_part
-- One piece of the body of a message.
SELECT data FROM bodies WHERE seq = :seq AND part = :part;

-- name: outbox_claim
-- "About to send": take up to :limit messages of a mailbox that are due, by priority, then oldest first, each with its
-- first part. From here on Microsoft may have them. The index is in this order: no more rows are read than are taken, as
-- long as each priority is named. Of what a crash cut off one goes at a time, of all mailboxes: else one that ends the
-- process would take with it what is sent beside it, and each would count as often cut off as that one.
UPDATE outbox SET state = 'sending', started_at = :now, attempts = attempts + 1, began_at = :now, checks = 0,
    copy_at = ''
WHERE seq IN (
    SELECT seq FROM outbox
    WHERE mailbox_id = :mailbox_id AND priority IN (1, 0, -1) AND state IN ('queued', 'deferred') AND due_at <= :now
    AND (cause <> 'interrupted' OR seq = (
        SELECT min(seq) FROM outbox
        WHERE mailbox_id = :mailbox_id AND cause = 'interrupted' AND state IN ('queued', 'deferred', 'sending')
        AND state IN ('queued', 'deferred') AND due_at <= :now AND NOT EXISTS (
            SELECT 1 FROM outbox
            WHERE cause = 'interrupted' AND state IN ('queued', 'deferred', 'sending') AND state = 'sending')))
    ORDER BY priority DESC, due_at, seq LIMIT :limit)
RETURNING seq, id, submitter, sender, recipients, dsn, message_id, size, created_at, attempts, due_at, priority,
    cause, repeats, expires_at, spared_from, purpose, transport,
    draft_id, draft_whole, checks, (SELECT data FROM bodies WHERE bodies.seq = outbox.seq AND part = 0) AS part;

-- name: outbox_claim_held
-- "About to send", of the message that is held for one of these causes and was tried least lately, but for what was tried
-- :elsewhere: that does not show what is probed.
UPDATE outbox SET state = 'sending', started_at = :now, attempts = attempts + 1, began_at = :now, checks = 0,
    copy_at = ''
WHERE seq = (SELECT seq FROM outbox
    WHERE mailbox_id = :mailbox_id AND state = 'held' AND cause IN (SELECT value FROM json_each(:causes))
        AND host NOT IN (SELECT value FROM json_each(:elsewhere))
    ORDER BY began_at, seq LIMIT 1)
RETURNING seq, id, submitter, sender, recipients, dsn, message_id, size, created_at, attempts, due_at, priority,
    cause, repeats, expires_at, spared_from, purpose, transport,
    draft_id, draft_whole, checks, (SELECT data FROM bodies WHERE bodies.seq = outbox.seq AND part = 0) AS part;

-- name: outbox_give_back
-- What was claimed is not begun after all: it is what it was. Its place is by when it was due.
UPDATE outbox SET state = :state, attempts = attempts - 1, started_at = NULL, began_at = NULL
WHERE seq = :seq AND state = 'sending' AND attempts = :number;

-- name: outbox_add_notice
-- A message of ours about another one, of which there is at most one of each purpose, but for those that came to nothing.
INSERT INTO outbox (id, mailbox_id, submitter, sender, recipients, size, message_id, purpose, bounce_of, created_at,
                    state, due_at, expires_at, max_age, priority)
SELECT :id, :mailbox_id, submitter, '', :recipients, :size, :message_id, :purpose, seq, :now, 'queued', :now, :expires_at,
    :expires_at - :now, :priority
FROM outbox WHERE seq = :about
AND NOT EXISTS (SELECT 1 FROM outbox told WHERE told.bounce_of = :about AND told.purpose = :purpose
    AND told.state NOT IN ('failed', 'canceled'))
AND (:purpose <> 'delayed' OR state IN ('queued', 'deferred', 'held', 'uncertain'))
RETURNING id;

-- name: outbox_add_notice_part
-- One piece of the body of a notice, where that was written.
INSERT INTO bodies (seq, part, data) SELECT seq, :part, :data FROM outbox WHERE id = :id;

-- name: outbox_untold
-- What bounced has failed, and no more, when its bounce has come to nothing. It may be this message, or this one's bounce.
UPDATE outbox SET state = 'failed', notes = json_insert(notes, '$[#]', :note)
WHERE state = 'bounced'
AND (id = :id OR seq = (SELECT told.bounce_of FROM outbox told WHERE told.id = :id AND told.purpose = 'bounce'))
AND (SELECT min(told.state IN ('failed', 'canceled')) FROM outbox told
    WHERE told.bounce_of = outbox.seq AND told.purpose = 'bounce');

-- name: outbox_told_again
-- The bounce of what has failed is sent again.
UPDATE outbox SET state = 'bounced'
WHERE state = 'failed'
AND seq = (SELECT told.bounce_of FROM outbox told WHERE told.id = :id AND told.purpose = 'bounce');

-- name: outbox_late
-- Up to :limit messages that wait, from the id :since on and before :before, of which no warning tells. What was to wait
-- for its time, or for an approval, is not meant. Queue ids sort by age.
SELECT seq, id, mailbox_id, submitter, sender, recipients, dsn, message_id, size, created_at, attempts, due_at,
    cause, repeats, expires_at, spared_from, purpose, transport, draft_id, draft_whole, checks, state, began_at, NULL AS part
FROM outbox WHERE id >= :since AND id < :before AND state IN ('queued', 'sending', 'deferred', 'held', 'uncertain')
AND purpose = '' AND approval <> 'wanted' AND send_at <= created_at
AND NOT EXISTS (SELECT 1 FROM outbox told WHERE told.bounce_of = outbox.seq AND told.purpose = 'delayed')
ORDER BY id LIMIT :limit;

-- name: outbox_late_for_its_time
-- As outbox_late, of those that were to wait for a time which lies after :since, and not after :until.
SELECT seq, id, mailbox_id, submitter, sender, recipients, dsn, message_id, size, created_at, attempts, due_at,
    cause, repeats, expires_at, spared_from, purpose, transport, draft_id, draft_whole, checks, state, began_at, NULL AS part
FROM outbox WHERE send_at > 0 AND send_at > :since AND send_at <= :until
AND state IN ('queued', 'sending', 'deferred', 'held', 'uncertain')
AND purpose = '' AND approval <> 'wanted' AND send_at > created_at
AND NOT EXISTS (SELECT 1 FROM outbox told WHERE told.bounce_of = outbox.seq AND told.purpose = 'delayed')
ORDER BY send_at LIMIT :limit;

-- name: outbox_told_since
-- How many notices were written to somebody since then, also about messages that are there no more.
SELECT count(*) AS told FROM outbox
WHERE lower(recipients) = lower(:recipients) AND created_at > :since AND created_at <= :now
AND purpose <> '' AND purpose <> 'test';

-- name: outbox_keep_draft
-- The draft that Microsoft has made of a message that is being sent. One that is given up may have been sent, if one of
-- its attempts may have done that.
UPDATE outbox SET draft_id = :draft_id, draft_whole = :whole,
    maybe_duplicate = max(maybe_duplicate, :given_up AND EXISTS (SELECT 1 FROM attempts
        WHERE attempts.seq = outbox.seq AND (verdict = 'uncertain' OR http_status = 429)))
WHERE seq = :seq AND state IN ('sending', 'uncertain') AND attempts = :number;

-- name: outbox_keep_copy_at
-- Before a message goes by a way that leaves its copy with somebody else.
UPDATE outbox SET copy_at = :copy_at WHERE seq = :seq AND state = 'sending' AND attempts = :number;

-- name: outbox_doubtful
-- Take up to :limit uncertain messages of a mailbox to look for them; until then nobody else does. Where no mailbox is
-- asked, all is decided in a moment.
UPDATE outbox SET due_at = iif(
        (SELECT coalesce(nullif(m.chosen_assurance, ''), m.assurance) FROM mailboxes m WHERE m.id = :mailbox_id)
        IN ('verify', 'draft'), :until, :now + :moment)
WHERE seq IN (
    SELECT seq FROM outbox WHERE mailbox_id = :mailbox_id AND state = 'uncertain' AND due_at <= :now
    ORDER BY due_at, seq LIMIT :limit)
RETURNING seq, id, submitter, sender, recipients, dsn, message_id, size, created_at, attempts, due_at,
    cause, repeats, expires_at, spared_from, purpose, transport,
    draft_id, draft_whole, checks, began_at, copy_at, NULL AS part;

-- name: outbox_looked
-- What a look-up comes to. It is about the attempt that was; a person may have decided meanwhile.
UPDATE outbox SET state = :state, due_at = :due_at, checks = :checks, finished_at = :finished_at, cause = :cause,
    maybe_duplicate = max(maybe_duplicate, :maybe_duplicate),
    code = iif(:state = 'sent', '', coalesce(:code, code)),
    reason = iif(:state = 'sent', '', coalesce(:reason, reason)),
    cure = iif(:state = 'sent', '', coalesce(:cure, cure)),
    spared_from = iif(:expires_at > expires_at, coalesce(spared_from, expires_at), spared_from),
    expires_at = max(expires_at, :expires_at),
    draft_id = iif(:state = 'sent' AND draft_whole, '', draft_id)
WHERE seq = :seq AND state = 'uncertain' AND attempts = :number;

-- name: outbox_twins
-- How many copies in Sent Items other messages of this Message-ID may have left.
SELECT (SELECT count(*) FROM outbox o JOIN attempts a ON a.seq = o.seq
        WHERE o.mailbox_id = :mailbox_id AND o.message_id = :message_id AND o.seq <> :seq
        AND (a.verdict IN ('sent', 'uncertain') OR a.http_status = 429))
     + (SELECT count(*) FROM outbox o
        WHERE o.mailbox_id = :mailbox_id AND o.message_id = :message_id AND o.seq <> :seq AND o.state = 'sending')
    AS copies;

-- name: outbox_note_look
-- A sentence about a look-up, in the trace of its attempt, and how many requests to Microsoft it was.
UPDATE attempts SET notes = iif(:note = '', notes, json_insert(notes, '$[#]', :note)), requests = requests + :requests
WHERE seq = :seq AND number = :number;

-- name: outbox_finish
-- The result of an attempt: the next state, and why. Where the clock went back meanwhile, it began now. When it was to
-- expire first is kept where that is made later.
UPDATE outbox SET state = :state, due_at = :due_at, started_at = NULL, finished_at = :finished_at,
    began_at = min(began_at, :now),
    spared_from = iif(:expires_at > expires_at, coalesce(spared_from, expires_at), spared_from),
    expires_at = max(expires_at, :expires_at),
    cause = :cause, repeats = :repeats, code = :code, reason = :reason, cure = :cure, request_id = :request_id,
    host = :host, draft_id = iif(:state = 'sent' AND draft_whole, '', draft_id)
WHERE seq = :seq AND state = 'sending' AND attempts = :number;

-- name: outbox_add_attempt
-- What one attempt came to, kept for the trace.
INSERT INTO attempts (seq, number, started_at, ended_at, verdict, cause, http_status, code, reason, request_id, notes,
    requests)
VALUES (:seq, :number, :started_at, :ended_at, :verdict, :cause, :http_status, :code, :reason, :request_id, :notes,
    :requests);

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

-- name: outbox_recover_looks
-- After a crash: what was being looked up is looked up again, but not before the last of the settle times. Nor before
-- as long a wait as between two looks (:waits) has passed since the start: the clock may have jumped meanwhile. What is to be
-- decided blindly waits as long as it was to.
UPDATE outbox SET due_at = max(min(due_at, began_at + :last_look),
    :now + json_extract(:waits, '$[' || min(checks, json_array_length(:waits) - 1) || ']'))
WHERE state = 'uncertain' AND (checks > 0 OR (due_at > began_at + :last_look
    AND (SELECT coalesce(nullif(m.chosen_assurance, ''), m.assurance) FROM mailboxes m WHERE m.id = outbox.mailbox_id)
        IN ('verify', 'draft')));

-- name: outbox_clock_doubts
-- The clock went back: what is uncertain settles from now on, if it began later than now, or waits for a time that was
-- shown after it began.
UPDATE outbox SET began_at = min(began_at, :now), due_at = CASE
    WHEN due_at BETWEEN began_at AND began_at + :longest_look THEN :now + due_at - began_at
    ELSE :now + :last_look END
WHERE state = 'uncertain' AND (began_at > :now OR due_at > :now + :longest_look);

-- name: outbox_clock_spared
-- The clock went back: what was spared when it was ahead expires as it was to, but is tried once more: when it came the
-- clock may have been behind.
UPDATE outbox SET expires_at = max(spared_from, :now + :longest_wait),
    spared_from = iif(spared_from >= :now + :longest_wait, NULL, spared_from)
WHERE state IN ('queued', 'sending', 'deferred', 'held', 'uncertain') AND spared_from IS NOT NULL
AND expires_at > :now + :longest_wait;

-- name: outbox_clock_went_back
-- What is queued is due, whatever the clock said when it was, unless it is to wait for its time; and so is what would wait
-- longer than the longest wait there is. Else what was deferred at a time that is yet to come waits from now as long as it
-- was to wait then.
UPDATE outbox SET due_at = :now + iif(state = 'queued' OR due_at > :now + :longest_wait, 0, max(0,
    due_at - (SELECT ended_at FROM attempts WHERE seq = outbox.seq ORDER BY number DESC LIMIT 1)))
WHERE state IN ('queued', 'deferred') AND due_at > :now
AND ((state = 'queued' AND send_at <= :now) OR (state = 'deferred' AND (due_at > :now + :longest_wait
    OR :now < (SELECT ended_at FROM attempts WHERE seq = outbox.seq ORDER BY number DESC LIMIT 1))));

-- name: outbox_due_mailboxes
-- Mailboxes with something to send, when the first of it is due, and when the first that is not due by :now (or null).
SELECT mailbox_id, min(due_at) AS due_at, min(later) AS later FROM (
    SELECT m.id AS mailbox_id, (
        SELECT o.due_at FROM outbox o
        WHERE o.mailbox_id = m.id AND o.priority = p.priority AND o.state IN ('queued', 'deferred')
        ORDER BY o.due_at LIMIT 1) AS due_at, (
        SELECT o.due_at FROM outbox o
        WHERE o.mailbox_id = m.id AND o.priority = p.priority AND o.state IN ('queued', 'deferred') AND o.due_at > :now
        ORDER BY o.due_at LIMIT 1) AS later
    FROM mailboxes m CROSS JOIN (SELECT 1 AS priority UNION ALL SELECT 0 UNION ALL SELECT -1) p)
WHERE due_at IS NOT NULL GROUP BY mailbox_id;

-- name: outbox_due_looks
-- Mailboxes with something to look up, and when the first of it is due.
SELECT mailbox_id, min(due_at) AS due_at FROM outbox WHERE state = 'uncertain' GROUP BY mailbox_id;

-- name: outbox_get
-- One message, and the one that it tells of.
SELECT o.*, m.address AS mailbox, told.id AS notice_of, told.mailbox_id AS notice_mailbox_id
FROM outbox o JOIN mailboxes m ON m.id = o.mailbox_id LEFT JOIN outbox told ON told.seq = o.bounce_of WHERE o.id = :id;

-- name: outbox_notices
-- The messages that tell of this one: bounces and the like.
SELECT id, mailbox_id, purpose, state FROM outbox WHERE bounce_of = :seq ORDER BY id;

-- name: outbox_attempts
-- The attempts of a message, first to last.
SELECT * FROM attempts WHERE seq = :seq ORDER BY number;

-- name: outbox_slice
-- The id so many messages before :before; none where there are fewer from :since on.
SELECT id FROM outbox WHERE id >= :since AND id < :before ORDER BY id DESC LIMIT 1 OFFSET :skip;

-- name: outbox_slice_beside
-- As outbox_slice, of those in one :state beside the road of mail.
SELECT id FROM outbox INDEXED BY outbox_beside
WHERE state = :state AND state IN ('deferred', 'uncertain', 'held', 'failed', 'bounced', 'canceled')
AND id >= :since AND id < :before ORDER BY id DESC LIMIT 1 OFFSET :skip;

-- name: outbox_list
-- The newest messages, from the id :since on and before :before; only those that are as was asked for.
SELECT o.*, m.address AS mailbox, NULL AS notice_of FROM outbox o JOIN mailboxes m ON m.id = o.mailbox_id
WHERE o.id >= :since AND o.id < :before
AND (:state IS NULL OR o.state = :state)
AND (:mailboxes IS NULL OR o.mailbox_id IN (SELECT value FROM json_each(:mailboxes)))
AND (:submitter IS NULL OR o.submitter = :submitter)
AND (:code IS NULL OR o.code = :code) AND (:cause IS NULL OR o.cause = :cause)
AND (:recipient IS NULL OR instr(lower(o.recipients), lower(:recipient)))
ORDER BY o.id DESC LIMIT :limit;

-- name: outbox_list_beside
-- As outbox_list, of those in one :state beside the road of mail, by the index of those.
SELECT o.*, m.address AS mailbox, NULL AS notice_of
FROM outbox o INDEXED BY outbox_beside JOIN mailboxes m ON m.id = o.mailbox_id
WHERE o.state = :state AND o.state IN ('deferred', 'uncertain', 'held', 'failed', 'bounced', 'canceled')
AND o.id >= :since AND o.id < :before
AND (:mailboxes IS NULL OR o.mailbox_id IN (SELECT value FROM json_each(:mailboxes)))
AND (:submitter IS NULL OR o.submitter = :submitter)
AND (:code IS NULL OR o.code = :code) AND (:cause IS NULL OR o.cause = :cause)
AND (:recipient IS NULL OR instr(lower(o.recipients), lower(:recipient)))
ORDER BY o.id DESC LIMIT :limit;

-- name: outbox_list_of_mailboxes
-- The newest messages of these mailboxes, from the id :since on and before :before: of each mailbox so many by its
-- index, and of those the newest.
SELECT o.*, m.address AS mailbox, NULL AS notice_of
FROM json_each(:mailboxes) k
JOIN outbox o ON o.id IN (
    SELECT i.id FROM outbox i INDEXED BY outbox_of_mailbox
    WHERE i.mailbox_id = k.value AND i.id > '' AND i.id >= :since AND i.id < :before ORDER BY i.id DESC LIMIT :limit)
JOIN mailboxes m ON m.id = o.mailbox_id
ORDER BY o.id DESC LIMIT :limit;

-- name: outbox_list_by_message_id
-- As outbox_list, of those with one Message-ID, by the index of those.
SELECT o.*, m.address AS mailbox, NULL AS notice_of
FROM mailboxes m CROSS JOIN outbox o INDEXED BY outbox_message_id ON o.mailbox_id = m.id AND o.message_id = :message_id
WHERE o.id >= :since AND o.id < :before
AND (:mailboxes IS NULL OR o.mailbox_id IN (SELECT value FROM json_each(:mailboxes)))
AND (:state IS NULL OR o.state = :state) AND (:submitter IS NULL OR o.submitter = :submitter)
AND (:code IS NULL OR o.code = :code) AND (:cause IS NULL OR o.cause = :cause)
AND (:recipient IS NULL OR instr(lower(o.recipients), lower(:recipient)))
ORDER BY o.id DESC LIMIT :limit;

-- name: outbox_retry
-- Send again, now, what waits for a person, but not before its time; it is tried for as long as at first. What
-- waits for an approval, or was refused one, is not meant; nor is what is there no more. Whose last attempt came to one
-- of :doubts may have arrived, whatever became of it since; so may what was to be looked for later, after one of
-- :sometimes_sent. A notice goes unless there is another of its kind by now.
UPDATE outbox SET state = 'queued', due_at = max(:now, send_at), finished_at = NULL, repeats = 0, code = '', reason = '',
    cure = '', request_id = '', spared_from = NULL,
    expires_at = max(expires_at, :now + max_age),
    maybe_duplicate = max(maybe_duplicate, state = 'uncertain' OR cause IN (SELECT value FROM json_each(:doubts))
        OR (due_at > :now AND cause IN (SELECT value FROM json_each(:sometimes_sent))
            AND (SELECT coalesce(nullif(m.chosen_assurance, ''), m.assurance) FROM mailboxes m
                WHERE m.id = outbox.mailbox_id) IN ('verify', 'draft')))
WHERE id = :id AND state IN ('held', 'uncertain', 'deferred', 'failed', 'bounced', 'canceled')
AND approval IN ('', 'given') AND kept = 'whole'
AND NOT EXISTS (SELECT 1 FROM outbox told WHERE told.bounce_of = outbox.bounce_of AND told.purpose = outbox.purpose
    AND told.seq <> outbox.seq AND told.state NOT IN ('failed', 'canceled')) RETURNING id;

-- name: outbox_hold_again
-- What was canceled while it waited for an approval waits for it again.
UPDATE outbox SET state = 'held', finished_at = NULL, code = :code, reason = :reason, cure = :cure
WHERE id = :id AND state = 'canceled' AND approval = 'wanted' AND kept = 'whole';

-- name: outbox_resolve
-- A person has found it in the mailbox: it is sent. What is held, or was canceled, after another cause than one of
-- :doubts is not there.
UPDATE outbox SET state = 'sent', finished_at = :now, code = '', reason = '', cure = ''
WHERE id = :id AND (state = 'uncertain' OR (state IN ('held', 'canceled') AND cause IN (SELECT value FROM json_each(:doubts))))
AND approval IN ('', 'given') RETURNING id;

-- name: outbox_approve
-- A person lets it go: at its time, and tried for as long as it would have been.
UPDATE outbox SET state = 'queued', approval = 'given', due_at = max(:now, send_at), code = '', reason = '', cure = '',
    expires_at = max(expires_at, :now + max_age)
WHERE id = :id AND state = 'held' AND approval = 'wanted' RETURNING id;

-- name: outbox_reject
-- A person does not let it go.
UPDATE outbox SET state = 'canceled', approval = 'refused', finished_at = :now, code = '', reason = '', cure = ''
WHERE id = :id AND state = 'held' AND approval = 'wanted' RETURNING id;

-- name: outbox_retry_signed_in
-- Send again, now, what was held for want of a token, now that somebody has signed in for its mailbox.
UPDATE outbox SET state = 'queued', due_at = min(max(created_at, send_at), :now), finished_at = NULL, code = '',
    reason = '', cure = '', request_id = ''
WHERE mailbox_id = :mailbox_id AND state = 'held'
AND (code LIKE 'token.%' OR code = 'microsoft.token_refused') RETURNING id;

-- name: outbox_cancel
-- Do not send any more what was not begun.
UPDATE outbox SET state = 'canceled', finished_at = :now, code = '', reason = '', cure = ''
WHERE id = :id AND state IN ('queued', 'deferred', 'held', 'uncertain', 'failed') RETURNING id;

-- name: outbox_count
-- How many messages of these ids are in which state.
SELECT state, count(*) AS messages FROM outbox WHERE id >= :since AND id < :before
AND (:mailboxes IS NULL OR mailbox_id IN (SELECT value FROM json_each(:mailboxes)))
GROUP BY state;

-- name: outbox_waiting
-- What waits for each mailbox: to be sent, or for a person. Two queries, as each has an index.
SELECT mailbox_id, sum(messages) AS messages, sum(size) AS size FROM (
    SELECT mailbox_id, count(*) AS messages, sum(size) AS size FROM outbox
    WHERE state IN ('queued', 'deferred') GROUP BY mailbox_id
    UNION ALL
    SELECT mailbox_id, count(*) AS messages, sum(size) AS size FROM outbox WHERE state = 'held' GROUP BY mailbox_id)
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
