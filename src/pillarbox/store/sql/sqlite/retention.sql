-- name: retention_over
-- Up to :limit messages that Microsoft took before :since, and still lie there whole. Of those in doubt a person said it,
-- who may be wrong: that is the last copy.
SELECT seq FROM outbox WHERE kept = 'whole' AND state = 'sent' AND finished_at <= :since
AND cause NOT IN (SELECT value FROM json_each(:doubts))
ORDER BY finished_at LIMIT :limit;

-- name: retention_mark_over
-- Of these messages the header alone is kept; but of those that somebody has brought back meanwhile all.
UPDATE outbox SET kept = 'header' WHERE seq IN (SELECT value FROM json_each(:seqs)) AND state = 'sent' RETURNING seq;

-- name: retention_keep_header
-- Of what was marked the header stays, with the empty line behind it (at most the first part holds it).
UPDATE bodies SET data = substr(data, 1, instr(data, x'0D0A0D0A') + 3)
WHERE part = 0 AND instr(data, x'0D0A0D0A') > 0
AND seq IN (SELECT seq FROM outbox WHERE seq IN (SELECT value FROM json_each(:seqs)) AND kept = 'header');

-- name: retention_drop_rest
-- And all behind it goes.
DELETE FROM bodies WHERE part > 0
AND seq IN (SELECT seq FROM outbox WHERE seq IN (SELECT value FROM json_each(:seqs)) AND kept = 'header');

-- name: retention_old
-- Up to :limit messages with ids below :before that came to their end before :since, oldest first. While another one with
-- the Message-ID of one waits, that stays: it says whose the copies in Sent Items are. Of which a copy or a draft may lie
-- in the mailbox stays until it ended before :copies_since: another one with its Message-ID may come. What was sent stays
-- longer than one that can be retried by hand: that is looked for among the copies since it came, and of a day before.
SELECT seq FROM outbox
WHERE id < :before AND state IN ('sent', 'bounced', 'failed', 'canceled') AND finished_at <= :since
AND (finished_at <= :copies_since OR (state <> 'sent' AND draft_id = '' AND NOT EXISTS (
    SELECT 1 FROM attempts WHERE attempts.seq = outbox.seq
    AND (verdict IN ('sent', 'uncertain') OR http_status = 429))))
AND NOT EXISTS (SELECT 1 FROM outbox twin WHERE twin.mailbox_id = outbox.mailbox_id
    AND twin.message_id = outbox.message_id AND twin.seq <> outbox.seq
    AND twin.state IN ('queued', 'sending', 'deferred', 'held', 'uncertain'))
AND (state <> 'sent' OR NOT EXISTS (SELECT 1 FROM outbox twin WHERE twin.mailbox_id = outbox.mailbox_id
    AND twin.message_id = outbox.message_id AND twin.created_at <= outbox.finished_at + 86400
    AND twin.kept = 'whole' AND twin.state IN ('failed', 'bounced', 'canceled')))
ORDER BY id LIMIT :limit;

-- name: retention_mark_old
-- Of these messages nothing is kept; but for those that somebody has brought back meanwhile. Gone by the end of the
-- transaction.
UPDATE outbox SET kept = 'nothing' WHERE seq IN (SELECT value FROM json_each(:seqs))
AND state IN ('sent', 'bounced', 'failed', 'canceled') AND finished_at <= :since
AND (finished_at <= :copies_since OR (state <> 'sent' AND draft_id = '' AND NOT EXISTS (
    SELECT 1 FROM attempts WHERE attempts.seq = outbox.seq
    AND (verdict IN ('sent', 'uncertain') OR http_status = 429))))
AND NOT EXISTS (SELECT 1 FROM outbox twin WHERE twin.mailbox_id = outbox.mailbox_id
    AND twin.message_id = outbox.message_id AND twin.seq <> outbox.seq
    AND twin.state IN ('queued', 'sending', 'deferred', 'held', 'uncertain'))
AND (state <> 'sent' OR NOT EXISTS (SELECT 1 FROM outbox twin WHERE twin.mailbox_id = outbox.mailbox_id
    AND twin.message_id = outbox.message_id AND twin.created_at <= outbox.finished_at + 86400
    AND twin.kept = 'whole' AND twin.state IN ('failed', 'bounced', 'canceled'))) RETURNING seq;

-- name: retention_unlink
-- What told of the marked messages stays for its own time.
UPDATE outbox SET bounce_of = NULL WHERE bounce_of IN (
    SELECT seq FROM outbox WHERE seq IN (SELECT value FROM json_each(:seqs)) AND kept = 'nothing');

-- name: retention_remove_attempts
-- Their attempts.
DELETE FROM attempts WHERE seq IN (
    SELECT seq FROM outbox WHERE seq IN (SELECT value FROM json_each(:seqs)) AND kept = 'nothing');

-- name: retention_remove_bodies
-- What is left of their bodies.
DELETE FROM bodies WHERE seq IN (
    SELECT seq FROM outbox WHERE seq IN (SELECT value FROM json_each(:seqs)) AND kept = 'nothing');

-- name: retention_remove
-- The messages themselves.
DELETE FROM outbox WHERE seq IN (SELECT value FROM json_each(:seqs)) AND kept = 'nothing';

-- name: retention_free
-- Pages of the file that hold nothing, and all pages.
SELECT free.freelist_count AS free, whole.page_count AS whole
FROM pragma_freelist_count AS free, pragma_page_count AS whole;

-- name: retention_give_back
-- Give up to a thousand empty pages back to the disk.
PRAGMA incremental_vacuum(1000);
