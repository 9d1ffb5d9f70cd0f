-- name: retention_over
-- Up to :limit messages that were sent before :since, and still lie there whole.
SELECT seq FROM outbox WHERE kept = 'whole' AND state = 'sent' AND finished_at <= :since
ORDER BY finished_at LIMIT :limit;

-- name: retention_keep_header
-- Of these messages the header stays, with the empty line behind it (at most the first part holds it).
UPDATE bodies SET data = substr(data, 1, instr(data, x'0D0A0D0A') + 3)
WHERE part = 0 AND instr(data, x'0D0A0D0A') > 0 AND seq IN (SELECT value FROM json_each(:seqs));

-- name: retention_drop_rest
-- And all behind it goes.
DELETE FROM bodies WHERE part > 0 AND seq IN (SELECT value FROM json_each(:seqs));

-- name: retention_mark
-- They do not lie there whole any more.
UPDATE outbox SET kept = 'header' WHERE seq IN (SELECT value FROM json_each(:seqs));

-- name: retention_old
-- Up to :limit messages with ids below :before that came to their end before :since, oldest first.
SELECT seq FROM outbox
WHERE id < :before AND state IN ('sent', 'bounced', 'failed', 'canceled') AND finished_at <= :since
ORDER BY id LIMIT :limit;

-- name: retention_unlink
-- What told of these messages stays for its own time.
UPDATE outbox SET bounce_of = NULL WHERE bounce_of IN (SELECT value FROM json_each(:seqs));

-- name: retention_remove_attempts
-- The attempts of these messages.
DELETE FROM attempts WHERE seq IN (SELECT value FROM json_each(:seqs));

-- name: retention_remove_bodies
-- What is left of their bodies.
DELETE FROM bodies WHERE seq IN (SELECT value FROM json_each(:seqs));

-- name: retention_remove
-- The messages themselves.
DELETE FROM outbox WHERE seq IN (SELECT value FROM json_each(:seqs));

-- name: retention_free
-- Pages of the file that hold nothing, and all pages.
SELECT free.freelist_count AS free, whole.page_count AS whole
FROM pragma_freelist_count AS free, pragma_page_count AS whole;

-- name: retention_give_back
-- Give up to a thousand empty pages back to the disk.
PRAGMA incremental_vacuum(1000);
