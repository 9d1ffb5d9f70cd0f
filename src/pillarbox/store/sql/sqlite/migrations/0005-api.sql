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
    enabled       INTEGER NOT NULL DEFAULT 1,
    created_at    REAL NOT NULL,
    last_seen_at  REAL
) STRICT, WITHOUT ROWID;

-- Codes of an authenticator (TOTP), the second factor of those who have one.
CREATE TABLE second_factors (
    person_id TEXT PRIMARY KEY REFERENCES people,
    sealed    BLOB NOT NULL,                     -- the secret
    confirmed INTEGER NOT NULL DEFAULT 0,        -- 0: no code of it was seen yet, and so none is asked for
    step      INTEGER NOT NULL DEFAULT 0         -- the last time step that was taken: a code counts once
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
    plan        TEXT NOT NULL,                   -- JSON: permissions, shared, user, new_account, public
    created_at  REAL NOT NULL,
    expires_at  REAL NOT NULL,
    state       TEXT NOT NULL DEFAULT 'pending', -- pending, completed, failed, canceled; expired tells the clock
    ended_at    REAL,
    tries       INTEGER NOT NULL DEFAULT 0,      -- sign-ins that were refused
    account     TEXT NOT NULL DEFAULT '',        -- who signed in
    code        TEXT NOT NULL DEFAULT '',        -- of the last sign-in that was refused
    reason      TEXT NOT NULL DEFAULT '',
    return_url  TEXT NOT NULL DEFAULT '',
    note        TEXT NOT NULL DEFAULT ''         -- of whoever made it, for themselves
) STRICT, WITHOUT ROWID;
CREATE INDEX connect_links_of ON connect_links (mailbox_id);

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

-- Whoever knows of some mailboxes alone sees their messages page by page, however many others there are.
-- The planner takes it for none but a query that says `id > ''` as well: all others have better ones.
CREATE INDEX outbox_of_mailbox ON outbox (mailbox_id, id) WHERE id > '';
-- What is looked for among all that was sent. Mail that goes its way costs nothing here.
CREATE INDEX outbox_beside ON outbox (state, id, mailbox_id)
    WHERE state IN ('deferred', 'uncertain', 'held', 'failed', 'bounced', 'canceled');
ALTER TABLE outbox ADD COLUMN transport TEXT NOT NULL DEFAULT '';   -- graph, smtp, auto; '' = as its mailbox says

-- Events are read by cursor: whose mailbox it is says who may see it; NULL: who may see all. No index but that of `seq`:
-- each would be one more page to write for each message.
ALTER TABLE events ADD COLUMN mailbox_id INTEGER;
UPDATE events SET mailbox_id = (SELECT id FROM mailboxes WHERE address = subject) WHERE type LIKE 'mailbox.%';

-- What became of a message is told by the change itself (store/events.py has the types).
CREATE TRIGGER outbox_tells AFTER UPDATE OF state ON outbox
WHEN NEW.state <> OLD.state AND NEW.state NOT IN ('queued', 'sending')
BEGIN
    INSERT INTO events (type, subject, mailbox_id, data, created_at) VALUES ('send.' || NEW.state, NEW.id, NEW.mailbox_id,
        json_object('mailbox', (SELECT address FROM mailboxes WHERE id = NEW.mailbox_id), 'submitter', NEW.submitter,
            'message_id', NEW.message_id, 'purpose', NEW.purpose, 'code', NEW.code, 'cause', NEW.cause,
            'maybe_duplicate', json(iif(NEW.maybe_duplicate, 'true', 'false'))),
        unixepoch('subsec'));
END;

CREATE TRIGGER outbox_tells_of_approval AFTER INSERT ON outbox WHEN NEW.state = 'held'
BEGIN
    INSERT INTO events (type, subject, mailbox_id, data, created_at) VALUES ('send.held', NEW.id, NEW.mailbox_id,
        json_object('mailbox', (SELECT address FROM mailboxes WHERE id = NEW.mailbox_id), 'submitter', NEW.submitter,
            'message_id', NEW.message_id, 'purpose', NEW.purpose, 'code', NEW.code, 'cause', NEW.cause,
            'maybe_duplicate', json(iif(NEW.maybe_duplicate, 'true', 'false'))),
        unixepoch('subsec'));
END;

CREATE TRIGGER outbox_tells_of_delivery AFTER UPDATE OF delivery ON outbox
WHEN NEW.delivery <> OLD.delivery AND NEW.delivery <> ''
BEGIN
    INSERT INTO events (type, subject, mailbox_id, data, created_at) VALUES (
        iif(NEW.delivery = 'delivered', 'send.delivered', 'send.undelivered'), NEW.id, NEW.mailbox_id,
        json_object('mailbox', (SELECT address FROM mailboxes WHERE id = NEW.mailbox_id), 'submitter', NEW.submitter,
            'message_id', NEW.message_id, 'purpose', NEW.purpose, 'code', NEW.code, 'cause', NEW.cause,
            'maybe_duplicate', json(iif(NEW.maybe_duplicate, 'true', 'false')), 'text', NEW.delivery_text),
        unixepoch('subsec'));
END;

-- What is not sent for until a person, or a probe, ends it. What passes by time alone tells nothing, nor does a next probe.
CREATE TRIGGER pauses_tell AFTER INSERT ON pauses
WHEN NEW.cause IN ('operator', 'account_broken', 'access_denied', 'blocked', 'untrusted', 'unreachable', 'unknown_host',
    'token_unavailable', 'unclear')
BEGIN
    INSERT INTO events (type, subject, mailbox_id, data, created_at)
    SELECT iif(m.id IS NULL, 'sending.paused', 'mailbox.paused'), coalesce(m.address, a.name, NEW.scope), m.id,
        json_object('scope', NEW.scope, 'cause', NEW.cause, 'reason', NEW.reason), unixepoch('subsec')
    FROM (SELECT 1) LEFT JOIN mailboxes m ON NEW.scope LIKE 'mailbox/%' AND m.id = CAST(substr(NEW.scope, 9) AS INTEGER)
    LEFT JOIN apps a ON NEW.scope LIKE 'app/%' AND a.id = CAST(substr(NEW.scope, 5) AS INTEGER);
END;

CREATE TRIGGER pauses_tell_their_end AFTER DELETE ON pauses
WHEN OLD.cause IN ('operator', 'account_broken', 'access_denied', 'blocked', 'untrusted', 'unreachable', 'unknown_host',
    'token_unavailable', 'unclear')
BEGIN
    INSERT INTO events (type, subject, mailbox_id, data, created_at)
    SELECT iif(m.id IS NULL, 'sending.resumed', 'mailbox.resumed'), coalesce(m.address, a.name, OLD.scope), m.id,
        json_object('scope', OLD.scope, 'cause', OLD.cause), unixepoch('subsec')
    FROM (SELECT 1) LEFT JOIN mailboxes m ON OLD.scope LIKE 'mailbox/%' AND m.id = CAST(substr(OLD.scope, 9) AS INTEGER)
    LEFT JOIN apps a ON OLD.scope LIKE 'app/%' AND a.id = CAST(substr(OLD.scope, 5) AS INTEGER);
END;

-- The id of a mailbox that is there no more is never another's: who may see the next one must not see what happened to it.
CREATE TABLE former_mailboxes (last INTEGER NOT NULL) STRICT;           -- one row: the highest id that is there no more
INSERT INTO former_mailboxes VALUES (0);
CREATE VIEW next_mailbox AS
    SELECT 1 + max((SELECT last FROM former_mailboxes), (SELECT coalesce(max(id), 0) FROM mailboxes)) AS id;

CREATE TRIGGER mailboxes_leave BEFORE DELETE ON mailboxes
BEGIN
    UPDATE former_mailboxes SET last = max(last, OLD.id);
    UPDATE connect_links SET state = 'canceled', ended_at = unixepoch('subsec') WHERE mailbox_id = OLD.id AND state = 'pending';
    UPDATE connect_links SET mailbox_id = NULL WHERE mailbox_id = OLD.id;
END;

-- A link asks for a sign-in to one app registration.
CREATE TRIGGER mailboxes_change_apps AFTER UPDATE OF app_id ON mailboxes WHEN NEW.app_id <> OLD.app_id
BEGIN
    UPDATE connect_links SET state = 'canceled', ended_at = unixepoch('subsec') WHERE mailbox_id = NEW.id AND state = 'pending';
END;

CREATE TRIGGER apps_leave BEFORE DELETE ON apps
BEGIN
    DELETE FROM connect_links WHERE app_id = OLD.id;
END;

-- Of the days before its end at which a warning was given, the last: each is given once.
ALTER TABLE credentials ADD COLUMN told_days INTEGER NOT NULL DEFAULT 9999;

-- What is written, and taken away again, to see whether anything can be (store/pulse.py). Always empty.
CREATE TABLE pulse (room BLOB NOT NULL) STRICT;
