-- The HTTP API: who may come in, what happened, who did what, links for people, files on their way in.

-- Keys of programs. A key is 256 bits of chance, so a plain hash is enough.
CREATE TABLE api_keys (
    id           TEXT PRIMARY KEY,               -- stands in the key itself, so that people can tell which one it is
    name         TEXT NOT NULL UNIQUE,
    hash         TEXT NOT NULL UNIQUE,           -- SHA-256 of the whole key, hexadecimal
    scopes       TEXT NOT NULL,                  -- JSON array
    all_mailboxes INTEGER NOT NULL DEFAULT 1,    -- 0: those of api_key_mailboxes alone
    networks     TEXT NOT NULL DEFAULT '[]',     -- JSON array of CIDR; empty = from anywhere
    recipients   TEXT NOT NULL DEFAULT '[]',     -- JSON array: addresses, *@DOMAIN; empty = everybody
    on_other_recipients TEXT NOT NULL DEFAULT 'refuse', -- refuse, hold
    rate         INTEGER NOT NULL DEFAULT 0,     -- requests a minute; 0 = as the settings say
    enabled      INTEGER NOT NULL DEFAULT 1,
    expires_at   REAL,
    created_at   REAL NOT NULL,
    last_used_at REAL
) STRICT, WITHOUT ROWID;

CREATE TABLE api_key_mailboxes (
    key_id     TEXT NOT NULL REFERENCES api_keys,
    mailbox_id INTEGER NOT NULL REFERENCES mailboxes,
    PRIMARY KEY (key_id, mailbox_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE people (
    id            TEXT PRIMARY KEY,
    name          TEXT NOT NULL UNIQUE,          -- as typed at the sign-in, in small letters
    roles         TEXT NOT NULL,                 -- JSON array: admin, operator, auditor
    password_hash TEXT NOT NULL,                 -- argon2id; '' = has none yet
    totp          BLOB,                          -- sealed secret; NULL = no second factor
    totp_step     INTEGER NOT NULL DEFAULT 0,    -- the last time step that was taken: a code counts once
    enabled       INTEGER NOT NULL DEFAULT 1,
    created_at    REAL NOT NULL,
    last_seen_at  REAL
) STRICT, WITHOUT ROWID;

CREATE TABLE recovery_codes (
    person_id TEXT NOT NULL REFERENCES people,
    hash      TEXT NOT NULL,                     -- SHA-256, hexadecimal
    PRIMARY KEY (person_id, hash)
) STRICT, WITHOUT ROWID;

-- Who is signed in. `id` is a hash of what the browser has: who reads the store cannot come in by it.
CREATE TABLE sessions (
    id         TEXT PRIMARY KEY,
    person_id  TEXT NOT NULL REFERENCES people,
    created_at REAL NOT NULL,
    seen_at    REAL NOT NULL,
    peer       TEXT NOT NULL DEFAULT '',
    agent      TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_of ON sessions (person_id);

-- Links that are good once, for a person who is to choose a password: the first administrator, or somebody new.
CREATE TABLE invitations (
    id         TEXT PRIMARY KEY,                 -- a hash of what stands in the link
    person_id  TEXT REFERENCES people,           -- NULL: whoever becomes the first administrator
    expires_at REAL NOT NULL,
    used_at    REAL
) STRICT, WITHOUT ROWID;

-- Who did what, at which door. A row is there before what it tells of is done, and says afterwards how that ended.
CREATE TABLE audit (
    seq        INTEGER PRIMARY KEY,
    at         REAL NOT NULL,
    actor_kind TEXT NOT NULL,                    -- local, key, person, submitter, nobody
    actor      TEXT NOT NULL,                    -- its id
    actor_name TEXT NOT NULL,
    door       TEXT NOT NULL,                    -- local, http, smtp, console
    peer       TEXT NOT NULL,
    action     TEXT NOT NULL,                    -- such as add_mailbox
    subject    TEXT NOT NULL,                    -- what it was done to
    fields     TEXT NOT NULL DEFAULT '[]',       -- JSON array: names of what was given, never values
    request_id TEXT NOT NULL DEFAULT '',
    outcome    TEXT NOT NULL DEFAULT '',         -- '': not known (cut off); done, refused, failed
    code       TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX audit_at ON audit (at);

-- Links by which people connect their mailboxes.
CREATE TABLE connect_links (
    id          TEXT PRIMARY KEY,
    hash        TEXT NOT NULL UNIQUE,            -- of the ticket that stands in the link
    app_id      INTEGER NOT NULL REFERENCES apps,
    mailbox_id  INTEGER REFERENCES mailboxes,    -- which it connects, or has connected
    plan        TEXT NOT NULL,                   -- JSON: permissions, shared, user, new_account, expected address
    made_by     TEXT NOT NULL,                   -- id of the caller
    created_at  REAL NOT NULL,
    expires_at  REAL NOT NULL,
    state       TEXT NOT NULL DEFAULT 'pending', -- pending, completed, failed, expired
    ended_at    REAL,
    code        TEXT NOT NULL DEFAULT '',
    reason      TEXT NOT NULL DEFAULT '',
    return_url  TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;

-- Files on their way in; their bytes lie in the state folder.
CREATE TABLE uploads (
    id         TEXT PRIMARY KEY,
    made_by    TEXT NOT NULL,                    -- id of the caller, who alone may use it
    name       TEXT NOT NULL,
    media_type TEXT NOT NULL,
    size       INTEGER NOT NULL,                 -- bytes, as was announced
    received   INTEGER NOT NULL DEFAULT 0,
    created_at REAL NOT NULL,
    expires_at REAL NOT NULL
) STRICT, WITHOUT ROWID;

ALTER TABLE outbox ADD COLUMN transport TEXT NOT NULL DEFAULT '';   -- graph, smtp, auto; '' = as its mailbox says

-- Events are read by cursor: whose mailbox it is says who may see it.
ALTER TABLE events ADD COLUMN mailbox_id INTEGER;
CREATE INDEX events_of_mailbox ON events (mailbox_id, seq);
CREATE INDEX events_age ON events (created_at);
