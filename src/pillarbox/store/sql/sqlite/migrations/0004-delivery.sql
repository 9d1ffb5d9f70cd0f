-- What delivery knows of a message between and after its attempts.

ALTER TABLE outbox ADD COLUMN cause TEXT NOT NULL DEFAULT '';             -- why the last attempt ended as it did
ALTER TABLE outbox ADD COLUMN repeats INTEGER NOT NULL DEFAULT 0;         -- attempts in succession that ended so
ALTER TABLE outbox ADD COLUMN began_at REAL;                              -- the last attempt: what was unclear settles from here
ALTER TABLE outbox ADD COLUMN checks INTEGER NOT NULL DEFAULT 0;          -- look-ups since then
ALTER TABLE outbox ADD COLUMN draft_id TEXT NOT NULL DEFAULT '';          -- Microsoft's immutable id of the draft
ALTER TABLE outbox ADD COLUMN maybe_duplicate INTEGER NOT NULL DEFAULT 0; -- sent again although the first may have arrived
ALTER TABLE outbox ADD COLUMN expires_at REAL NOT NULL DEFAULT 9e999;     -- no attempt after that; 9e999: none was chosen then
ALTER TABLE outbox ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;        -- the higher first, within its mailbox
ALTER TABLE outbox ADD COLUMN bounce_of INTEGER REFERENCES outbox;        -- the message that this one tells of

-- Of each message at most one notice of each kind.
CREATE UNIQUE INDEX outbox_notice ON outbox (bounce_of, purpose) WHERE bounce_of IS NOT NULL;
-- What waits to be looked up, beside what waits to be sent.
CREATE INDEX outbox_doubtful ON outbox (mailbox_id, due_at) WHERE state = 'uncertain';

ALTER TABLE attempts ADD COLUMN cause TEXT NOT NULL DEFAULT '';

-- How a mailbox sends: by choice of a person where it is not empty.
ALTER TABLE mailboxes ADD COLUMN transport TEXT NOT NULL DEFAULT '';      -- graph, smtp, auto
ALTER TABLE mailboxes ADD COLUMN chosen_assurance TEXT NOT NULL DEFAULT '';
ALTER TABLE mailboxes ADD COLUMN on_uncertain TEXT NOT NULL DEFAULT '';   -- retry, hold
ALTER TABLE mailboxes ADD COLUMN send_limit INTEGER NOT NULL DEFAULT 0;   -- bytes that Exchange takes of one message; 0: the setting

-- Who is not sent for now, until when, and why. Retry-After outlives a restart.
CREATE TABLE pauses (
    scope  TEXT PRIMARY KEY,             -- mailbox/7, app/3, host/NAME, all
    until  REAL,                         -- NULL: until a person resumes it
    cause  TEXT NOT NULL,                -- of the attempt that told us so; operator
    reason TEXT NOT NULL,
    at     REAL NOT NULL
) STRICT, WITHOUT ROWID;

-- What was uncertain before anything could be looked up waits for a person, as was promised.
UPDATE outbox SET state = 'held' WHERE state = 'uncertain';
