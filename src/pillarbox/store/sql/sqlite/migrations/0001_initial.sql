-- The first schema: who may send and through what, and the outbox.

CREATE TABLE apps (
    id         INTEGER PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    tenant_id  TEXT NOT NULL,
    client_id  TEXT NOT NULL,
    created_at REAL NOT NULL
) STRICT;

-- A table of its own, as rotation needs two at once.
CREATE TABLE credentials (
    id         INTEGER PRIMARY KEY,
    app_id     INTEGER NOT NULL REFERENCES apps,
    sealed     BLOB NOT NULL,
    created_at REAL NOT NULL
) STRICT;

CREATE TABLE token_caches (
    owner      TEXT PRIMARY KEY,
    sealed     BLOB NOT NULL,
    updated_at REAL NOT NULL
) STRICT;

CREATE TABLE mailboxes (
    id          INTEGER PRIMARY KEY,
    address     TEXT NOT NULL,
    address_key TEXT NOT NULL UNIQUE,
    app_id      INTEGER NOT NULL REFERENCES apps,
    created_at  REAL NOT NULL
) STRICT;

CREATE TABLE submitters (
    id            INTEGER PRIMARY KEY,
    name          TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    created_at    REAL NOT NULL
) STRICT;

-- Each address that a submitter may use as sender, and the mailbox that it leaves from.
CREATE TABLE submitter_senders (
    submitter_id INTEGER NOT NULL REFERENCES submitters,
    address_key  TEXT NOT NULL,
    mailbox_id   INTEGER NOT NULL REFERENCES mailboxes,
    PRIMARY KEY (submitter_id, address_key)
) STRICT, WITHOUT ROWID;

CREATE TABLE outbox (
    seq         INTEGER PRIMARY KEY,
    id          TEXT NOT NULL UNIQUE,
    mailbox_id  INTEGER NOT NULL REFERENCES mailboxes,
    submitter   TEXT NOT NULL,
    sender      TEXT NOT NULL,
    recipients  TEXT NOT NULL,           -- JSON array of the envelope's addresses
    size        INTEGER NOT NULL,        -- bytes
    message_id  TEXT NOT NULL,
    created_at  REAL NOT NULL,
    state       TEXT NOT NULL,
    due_at      REAL NOT NULL,           -- when the next attempt may begin
    attempts    INTEGER NOT NULL DEFAULT 0,
    started_at  REAL,                    -- set while 'sending': Microsoft may have it
    finished_at REAL,                    -- when it came to its last state
    code        TEXT NOT NULL DEFAULT '',
    reason      TEXT NOT NULL DEFAULT '',
    cure        TEXT NOT NULL DEFAULT '',
    request_id  TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE INDEX outbox_due ON outbox (mailbox_id, due_at, seq) WHERE state IN ('queued', 'deferred');
CREATE INDEX outbox_open ON outbox (state, seq) WHERE state NOT IN ('sent', 'bounced', 'canceled');

-- The message as it was accepted, in pieces of at most 256 KiB, so that no large blob is ever handled whole.
CREATE TABLE bodies (
    seq  INTEGER NOT NULL REFERENCES outbox,
    part INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (seq, part)
) STRICT, WITHOUT ROWID;

CREATE TABLE attempts (
    seq         INTEGER NOT NULL REFERENCES outbox,
    number      INTEGER NOT NULL,
    started_at  REAL NOT NULL,
    ended_at    REAL NOT NULL,
    verdict     TEXT NOT NULL,
    http_status INTEGER,
    code        TEXT NOT NULL,
    reason      TEXT NOT NULL,
    request_id  TEXT NOT NULL,
    notes       TEXT NOT NULL,           -- JSON array: what was changed in the header for this attempt
    PRIMARY KEY (seq, number)
) STRICT, WITHOUT ROWID;
