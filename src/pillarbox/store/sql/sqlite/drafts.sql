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
