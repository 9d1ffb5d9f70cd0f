-- name: returns_sent
-- Messages of a mailbox with these Message-IDs that Exchange has, or may have, from the id :since on.
SELECT id, message_id, delivery FROM outbox
WHERE id >= :since AND mailbox_id = :mailbox_id AND state IN ('sent', 'sending', 'uncertain')
AND message_id IN (SELECT value FROM json_each(:message_ids));

-- name: returns_bounced
-- Exchange has reported that a message that it took was not delivered.
UPDATE outbox SET delivery = 'bounced', delivery_text = :text
WHERE id = :id AND state = 'sent' AND delivery <> 'bounced' RETURNING id;

-- name: returns_untold
-- Up to :limit sent messages of these mailboxes of which nothing more is known, the newest first; then those that were
-- delivered, as far as their attempt began from :firm on.
SELECT id, mailbox_id, message_id, recipients, began_at FROM outbox
WHERE id >= :since AND state = 'sent' AND began_at >= :earliest AND began_at <= :latest
AND (delivery = '' OR (delivery = 'delivered' AND began_at >= :firm))
AND +mailbox_id IN (SELECT value FROM json_each(:mailboxes)) -- By age, not all that a mailbox ever sent.
ORDER BY delivery, id DESC LIMIT :limit;

-- name: returns_traced
-- What the trace tells of a sent message, where nothing was told before, or less.
UPDATE outbox SET delivery = :delivery, delivery_text = :text
WHERE id = :id AND state = 'sent'
AND (delivery = '' OR (delivery = 'delivered' AND :delivery = 'failed')) RETURNING id;
