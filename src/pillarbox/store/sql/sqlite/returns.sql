-- name: returns_sent
-- Sent messages of a mailbox with these Message-IDs. Queue ids sort by age, so that only the newest are looked at.
SELECT id, message_id FROM outbox
WHERE id >= :since AND mailbox_id = :mailbox_id AND state = 'sent'
AND message_id IN (SELECT value FROM json_each(:message_ids));

-- name: returns_bounced
-- Exchange has reported that a message that it took was not delivered.
UPDATE outbox SET delivery = 'bounced', delivery_text = :text
WHERE id = :id AND state = 'sent' AND delivery <> 'bounced' RETURNING id;
