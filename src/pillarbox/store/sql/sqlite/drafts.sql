-- name: drafts_mailboxes
-- Mailboxes in which drafts of messages lie that came to their end before :since.
SELECT DISTINCT mailbox_id FROM outbox
WHERE draft_id <> '' AND state IN ('sent', 'canceled', 'failed', 'bounced') AND finished_at <= :since;

-- name: drafts_left
-- Up to :limit of them, the oldest first.
SELECT seq, id, draft_id FROM outbox
WHERE mailbox_id = :mailbox_id AND draft_id <> '' AND state IN ('sent', 'canceled', 'failed', 'bounced')
AND finished_at <= :since ORDER BY finished_at LIMIT :limit;

-- name: drafts_forget
-- It is there no more. A person may have had the message sent again meanwhile.
UPDATE outbox SET draft_id = ''
WHERE seq = :seq AND draft_id = :draft_id AND state IN ('sent', 'canceled', 'failed', 'bounced') RETURNING seq;

-- name: drafts_remember
-- It could not be deleted.
UPDATE outbox SET draft_id = :draft_id
WHERE seq = :seq AND draft_id = '' AND state IN ('sent', 'canceled', 'failed', 'bounced');

-- name: drafts_found_sent
-- It is no draft any more: whatever was thought of its message, it is sent.
UPDATE outbox SET draft_id = '', state = 'sent', code = '', reason = '', cure = '',
    notes = iif(state = 'sent', notes, json_insert(notes, '$[#]', :note))
WHERE seq = :seq AND draft_id = :draft_id AND state IN ('sent', 'canceled', 'failed', 'bounced');

-- name: drafts_doubtful
-- Mailboxes in which drafts of an id that was never kept may lie: of attempts since :since that did not send.
SELECT DISTINCT mailbox_id FROM attempts JOIN outbox USING (seq)
WHERE attempts.started_at >= :since AND verdict <> 'sent';

-- name: drafts_known
-- Those of :message_ids that messages of a mailbox have.
SELECT value AS message_id FROM json_each(:message_ids)
WHERE EXISTS (SELECT 1 FROM outbox WHERE mailbox_id = :mailbox_id AND message_id = value);

-- name: drafts_is_unkept
-- A row, where the message of this queue id came to its end before :since and this is not the draft that it has.
SELECT 1 FROM outbox WHERE id = :id AND draft_id <> :draft_id
AND state IN ('sent', 'canceled', 'failed', 'bounced') AND finished_at <= :since;
