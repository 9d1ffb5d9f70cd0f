-- name: connect_link_add
-- A link that somebody is to be sent.
INSERT INTO connect_links (id, hash, app_id, mailbox_id, plan, created_at, expires_at, return_url, note)
VALUES (:id, :hash, :app_id, :mailbox_id, :plan, :now, :expires_at, :return_url, :note);

-- name: connect_link_list
-- The newest links with ids below :before; in one state and of these mailboxes, where that is given.
SELECT l.*, a.name AS app, m.address AS mailbox FROM connect_links l JOIN apps a ON a.id = l.app_id
LEFT JOIN mailboxes m ON m.id = l.mailbox_id
WHERE l.id < :before
AND (:state IS NULL OR iif(l.state = 'pending' AND l.expires_at <= :now, 'expired', l.state) = :state)
AND (:mailboxes IS NULL OR l.mailbox_id IN (SELECT value FROM json_each(:mailboxes)))
ORDER BY l.id DESC LIMIT :limit;

-- name: connect_link_get
-- One link.
SELECT l.*, a.name AS app, m.address AS mailbox FROM connect_links l JOIN apps a ON a.id = l.app_id
LEFT JOIN mailboxes m ON m.id = l.mailbox_id WHERE l.id = :id;

-- name: connect_link_of_ticket
-- The link in which a ticket stands.
SELECT l.*, a.name AS app, m.address AS mailbox FROM connect_links l JOIN apps a ON a.id = l.app_id
LEFT JOIN mailboxes m ON m.id = l.mailbox_id WHERE l.hash = :hash;

-- name: connect_link_opened
-- Somebody goes on to Microsoft by it.
UPDATE connect_links SET opened_at = :now WHERE id = :id;

-- name: connect_link_complete
-- Somebody has connected the mailbox by it: the first alone, and in time.
UPDATE connect_links SET state = 'completed', ended_at = :now, account = :account, code = '', reason = ''
WHERE id = :id AND state = 'pending' AND expires_at > :now;

-- name: connect_link_refused
-- A sign-in by it connected nothing, where :tries were refused before, and it is in time.
UPDATE connect_links SET tries = tries + 1, code = :code, reason = :reason, state = :state, ended_at = :ended_at
WHERE id = :id AND tries = :tries AND state = 'pending' AND expires_at > :now;

-- name: connect_link_cancel
-- It is good no more, if it was.
UPDATE connect_links SET state = 'canceled', ended_at = :now WHERE id = :id AND state = 'pending' AND expires_at > :now;

-- name: connect_link_forget
-- Up to :limit links that were over before :since.
DELETE FROM connect_links WHERE id IN (SELECT id FROM connect_links WHERE expires_at <= :since LIMIT :limit) RETURNING id;
