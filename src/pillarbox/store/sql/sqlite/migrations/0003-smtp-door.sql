-- What a submitter may do and how it comes in; what is kept of the way in of a message.

ALTER TABLE submitters ADD COLUMN enabled INTEGER NOT NULL DEFAULT 1;
ALTER TABLE submitters ADD COLUMN force_from INTEGER NOT NULL DEFAULT 0;
ALTER TABLE submitters ADD COLUMN fix_from INTEGER NOT NULL DEFAULT 0;
ALTER TABLE submitters ADD COLUMN recipients TEXT NOT NULL DEFAULT '[]';  -- JSON array; empty = everybody
ALTER TABLE submitters ADD COLUMN rate INTEGER NOT NULL DEFAULT 0;        -- messages a minute; 0 = no limit
ALTER TABLE submitters ADD COLUMN max_size INTEGER NOT NULL DEFAULT 0;    -- bytes; 0 = the listener's
ALTER TABLE submitters ADD COLUMN last_used_at REAL;
-- Their order: the null sender leaves from the first one's mailbox.
ALTER TABLE submitter_senders ADD COLUMN position INTEGER NOT NULL DEFAULT 0;

-- What was added before a From of its own was asked for had one added where it was missing.
UPDATE submitters SET fix_from = 1;

-- Every address of a domain as sender: from one mailbox, or each from its own by an app registration.
CREATE TABLE submitter_domains (
    submitter_id INTEGER NOT NULL REFERENCES submitters,
    domain       TEXT NOT NULL,          -- as in an address_key
    mailbox_id   INTEGER REFERENCES mailboxes,
    app_id       INTEGER REFERENCES apps,
    PRIMARY KEY (submitter_id, domain),
    CHECK ((mailbox_id IS NULL) <> (app_id IS NULL))
) STRICT, WITHOUT ROWID;

-- Who comes in without a password: from a network, or as a user or group of this machine.
CREATE TABLE submitter_networks (
    network      TEXT PRIMARY KEY,       -- CIDR
    submitter_id INTEGER NOT NULL REFERENCES submitters
) STRICT, WITHOUT ROWID;

CREATE TABLE submitter_unix (
    kind         TEXT NOT NULL,          -- user, group
    name         TEXT NOT NULL,          -- or its number
    submitter_id INTEGER NOT NULL REFERENCES submitters,
    PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;

-- Our own tokens (XOAUTH2, OAUTHBEARER). They are 256 bits of chance, so a plain hash is enough.
CREATE TABLE submitter_tokens (
    submitter_id INTEGER NOT NULL REFERENCES submitters,
    id           TEXT NOT NULL,          -- what people call it by
    hash         TEXT NOT NULL UNIQUE,   -- SHA-256, hexadecimal
    created_at   REAL NOT NULL,
    PRIMARY KEY (submitter_id, id)
) STRICT, WITHOUT ROWID;

-- From where submitters have logged in lately: a start must not make strangers of them while somebody guesses.
CREATE TABLE submitter_sites (
    submitter_id INTEGER NOT NULL REFERENCES submitters,
    site         TEXT NOT NULL,          -- an address, in IPv6 a /64
    at           REAL NOT NULL,
    PRIMARY KEY (submitter_id, site)
) STRICT, WITHOUT ROWID;

-- Whether a rule for a whole domain made it up: of those there can only be so many.
ALTER TABLE mailboxes ADD COLUMN made_up INTEGER NOT NULL DEFAULT 0;

-- No query used outbox_open, and each change of a message's state had to write it twice.
DROP INDEX outbox_open;
CREATE INDEX outbox_held ON outbox (mailbox_id) WHERE state = 'held';

ALTER TABLE outbox ADD COLUMN dsn TEXT NOT NULL DEFAULT '';          -- JSON: what the client asked for by RFC 3461
ALTER TABLE outbox ADD COLUMN arrival TEXT NOT NULL DEFAULT '{}';    -- JSON: door, listener, peer, hello, protocol
ALTER TABLE outbox ADD COLUMN notes TEXT NOT NULL DEFAULT '[]';      -- JSON array: sentences on the way in
-- For the window in which the same message handed in again is the same message; '' = it has none.
ALTER TABLE outbox ADD COLUMN fingerprint TEXT NOT NULL DEFAULT '';
ALTER TABLE outbox ADD COLUMN heard INTEGER NOT NULL DEFAULT 0;      -- its client went on after our 250
