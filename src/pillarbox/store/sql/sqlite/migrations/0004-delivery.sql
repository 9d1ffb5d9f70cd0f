-- What delivery knows of a message between and after its attempts.

ALTER TABLE outbox ADD COLUMN cause TEXT NOT NULL DEFAULT '';             -- why the last attempt ended as it did
ALTER TABLE outbox ADD COLUMN host TEXT NOT NULL DEFAULT '';              -- where that went; '': where most of its mailbox goes
ALTER TABLE outbox ADD COLUMN copy_at TEXT NOT NULL DEFAULT '';           -- whose Sent Items its copy may lie in; '': the mailbox's
ALTER TABLE outbox ADD COLUMN repeats INTEGER NOT NULL DEFAULT 0;         -- attempts in succession that ended so
ALTER TABLE outbox ADD COLUMN began_at REAL;                              -- the last attempt: what was unclear settles from here
ALTER TABLE outbox ADD COLUMN checks INTEGER NOT NULL DEFAULT 0;          -- look-ups since then
ALTER TABLE outbox ADD COLUMN draft_id TEXT NOT NULL DEFAULT '';          -- Microsoft's immutable id of the draft
ALTER TABLE outbox ADD COLUMN draft_whole INTEGER NOT NULL DEFAULT 1;     -- 0: it lacks something, and is never sent
ALTER TABLE outbox ADD COLUMN maybe_duplicate INTEGER NOT NULL DEFAULT 0; -- sent again although the first may have arrived
ALTER TABLE outbox ADD COLUMN expires_at REAL NOT NULL DEFAULT 9e999;     -- no attempt after that; 9e999: none was chosen then
ALTER TABLE outbox ADD COLUMN max_age REAL NOT NULL DEFAULT 9e999;        -- seconds that it is tried: at first, and when retried
ALTER TABLE outbox ADD COLUMN spared_from REAL;                           -- the expires_at before it was made later
ALTER TABLE outbox ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;        -- the higher first, within its mailbox
ALTER TABLE outbox ADD COLUMN send_at REAL NOT NULL DEFAULT 0;            -- not before; 0: at once
ALTER TABLE outbox ADD COLUMN approval TEXT NOT NULL DEFAULT '';          -- wanted: held until a person decides; given, refused
ALTER TABLE outbox ADD COLUMN kept TEXT NOT NULL DEFAULT 'whole';         -- what of it lies in `bodies`: whole, header
ALTER TABLE outbox ADD COLUMN bounce_of INTEGER REFERENCES outbox;        -- the message that this one tells of

-- What Exchange told of it after it was sent: '' (nothing), delivered, failed (its trace), bounced (a report).
ALTER TABLE outbox ADD COLUMN delivery TEXT NOT NULL DEFAULT '';
ALTER TABLE outbox ADD COLUMN delivery_text TEXT NOT NULL DEFAULT '';

-- What tells of a message: of each kind at most one, but for those that came to nothing.
CREATE INDEX outbox_notice ON outbox (bounce_of, purpose) WHERE bounce_of IS NOT NULL;
CREATE UNIQUE INDEX outbox_one_notice ON outbox (bounce_of, purpose)
    WHERE bounce_of IS NOT NULL AND state NOT IN ('failed', 'canceled');
-- What was to wait for its time.
CREATE INDEX outbox_scheduled ON outbox (send_at) WHERE send_at > 0;
-- How many notices went to whom of late.
CREATE INDEX outbox_told ON outbox (lower(recipients), created_at) WHERE purpose <> '';
-- Drafts that were left behind. Almost empty: what was sent has none any more.
CREATE INDEX outbox_drafts ON outbox (mailbox_id, finished_at)
    WHERE draft_id <> '' AND state IN ('sent', 'canceled', 'failed', 'bounced');
-- Which messages have one Message-ID: a look into a mailbox tells no more.
CREATE INDEX outbox_message_id ON outbox (mailbox_id, message_id);
-- And which of them wait: of a device's one Message-ID there may be a hundred thousand that have ended.
CREATE INDEX outbox_waiting_twins ON outbox (mailbox_id, message_id)
    WHERE state IN ('queued', 'sending', 'deferred', 'held', 'uncertain');
-- And which of them a person may bring back.
CREATE INDEX outbox_failed_twins ON outbox (mailbox_id, message_id, created_at)
    WHERE kept = 'whole' AND state IN ('failed', 'bounced', 'canceled');
-- What a crash cut off, until its next attempt is over. Almost empty.
CREATE INDEX outbox_suspects ON outbox (state, mailbox_id, seq)
    WHERE cause = 'interrupted' AND state IN ('queued', 'deferred', 'sending');
-- What waits to be looked up, beside what waits to be sent.
CREATE INDEX outbox_doubtful ON outbox (mailbox_id, due_at) WHERE state = 'uncertain';

-- What was unclear then settles from its last attempt too.
UPDATE outbox SET cause = iif(state = 'uncertain', 'unclear', ''),
    began_at = coalesce(started_at, (SELECT max(started_at) FROM attempts WHERE seq = outbox.seq), created_at)
WHERE state IN ('sending', 'uncertain');

ALTER TABLE attempts ADD COLUMN cause TEXT NOT NULL DEFAULT '';
ALTER TABLE attempts ADD COLUMN requests INTEGER NOT NULL DEFAULT 1;      -- that it made to Graph, its look-ups too

-- A claim reads the first of each priority, however many wait behind it. How large they are can be counted in it alone.
DROP INDEX outbox_due;
CREATE INDEX outbox_due ON outbox (mailbox_id, priority DESC, due_at, seq, state, size) WHERE state IN ('queued', 'deferred');
-- Whose body may go. Almost empty: a row leaves it when its body does.
CREATE INDEX outbox_over ON outbox (finished_at) WHERE kept = 'whole' AND state = 'sent';

ALTER TABLE submitters ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;    -- of its messages: 1, 0, -1
ALTER TABLE submitters ADD COLUMN max_age INTEGER NOT NULL DEFAULT 0;     -- seconds that they are tried; 0: as the settings say
ALTER TABLE submitters ADD COLUMN on_broken TEXT NOT NULL DEFAULT 'accept'; -- while its mailbox cannot send: accept, tempfail

-- A client that asks again with the same key gets the same answer.
CREATE TABLE idempotency (
    scope      TEXT NOT NULL,            -- who asks, and where
    key        TEXT NOT NULL,
    digest     TEXT NOT NULL,            -- SHA-256 of all that was asked
    queue_id   TEXT NOT NULL,            -- what came of it
    created_at REAL NOT NULL,
    PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_age ON idempotency (created_at);

-- How a mailbox sends: by choice of a person where it is not empty.
ALTER TABLE mailboxes ADD COLUMN transport TEXT NOT NULL DEFAULT '';      -- graph, smtp, auto
ALTER TABLE mailboxes ADD COLUMN chosen_assurance TEXT NOT NULL DEFAULT '';
ALTER TABLE mailboxes ADD COLUMN on_uncertain TEXT NOT NULL DEFAULT '';   -- retry, hold
ALTER TABLE mailboxes ADD COLUMN send_limit INTEGER NOT NULL DEFAULT 0;   -- bytes that Exchange takes of one message; 0: the setting

-- Who is not sent for now, until when, and why. Retry-After outlives a restart.
CREATE TABLE pauses (
    scope  TEXT NOT NULL,                -- mailbox/7, app/3, host/NAME, all
    until  REAL,                         -- NULL: until a person resumes it
    cause  TEXT NOT NULL,                -- of the attempt that told us so; operator
    reason TEXT NOT NULL,
    at     REAL NOT NULL,
    PRIMARY KEY (scope, cause)           -- a person's pause and Microsoft's do not end each other
) STRICT, WITHOUT ROWID;

-- What is held for a broken account is found by its mailbox: one of it is the probe.
DROP INDEX outbox_held;
CREATE INDEX outbox_held ON outbox (mailbox_id, cause, seq, size) WHERE state = 'held';
-- What was used of Microsoft's limits is counted again at a start.
CREATE INDEX attempts_begun ON attempts (started_at);
-- Which attempts may have left a draft that nobody knows of: few, beside those that sent.
CREATE INDEX attempts_unsent ON attempts (started_at) WHERE verdict <> 'sent';

-- What was uncertain before anything could be looked up waits for a person, as was promised.
UPDATE outbox SET state = 'held' WHERE state = 'uncertain';
