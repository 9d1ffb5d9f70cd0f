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
WHERE seq = :seq AND draft_id = :draft_id AND state IN ('sent', 'canceled', 'failed', 'bounced');
