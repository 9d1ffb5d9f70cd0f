-- Sign-ins of mailboxes, several credentials of an app registration, leases on token requests, the first events.

-- A sealed value is bound to the primary key of its row, so the key must be known before the row is there: a text that
-- the program makes. All secrets of a store of version 1 were bound to the app registration's name: that is the id of the
-- newest, and the others have their number behind it and a colon (store/sealed.py, `place`).
CREATE TABLE credentials_2 (
    id         TEXT PRIMARY KEY,
    seq        INTEGER NOT NULL UNIQUE,  -- the order in which they were added: clocks go back
    app_id     INTEGER NOT NULL REFERENCES apps,
    kind       TEXT NOT NULL,            -- secret, certificate, federated, managed-identity
    source     TEXT NOT NULL,            -- where it is read anew each time (env:, file:, keyvault:); '' = sealed here
    sealed     BLOB NOT NULL,
    ends_at    REAL,                     -- when Microsoft stops taking it, where somebody said so
    created_at REAL NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO credentials_2 (id, seq, app_id, kind, source, sealed, created_at)
SELECT CASE c.id WHEN max(c.id) OVER (PARTITION BY c.app_id) THEN a.name ELSE a.name || ':' || c.id END,
       c.id, c.app_id, 'secret', '', c.sealed, c.created_at
FROM credentials c JOIN apps a ON a.id = c.app_id;

DROP TABLE credentials;
ALTER TABLE credentials_2 RENAME TO credentials;

-- Which process is asking for a new token of this owner just now, and until when the others wait for it.
CREATE TABLE token_leases (
    owner  TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    until  REAL NOT NULL
) STRICT, WITHOUT ROWID;

ALTER TABLE mailboxes ADD COLUMN permissions TEXT NOT NULL DEFAULT '';      -- sets with commas; '' = the app itself acts
ALTER TABLE mailboxes ADD COLUMN public_client INTEGER NOT NULL DEFAULT 0;  -- signed in without the app's credential
ALTER TABLE mailboxes ADD COLUMN shared INTEGER NOT NULL DEFAULT 0;         -- signed in by somebody with rights on it
ALTER TABLE mailboxes ADD COLUMN password_source TEXT NOT NULL DEFAULT '';  -- env:, file:, keyvault: of its password
ALTER TABLE mailboxes ADD COLUMN account TEXT NOT NULL DEFAULT '';          -- JSON: who signed in
ALTER TABLE mailboxes ADD COLUMN state TEXT NOT NULL DEFAULT 'ok';          -- ok, needs_sign_in
ALTER TABLE mailboxes ADD COLUMN state_code TEXT NOT NULL DEFAULT '';
ALTER TABLE mailboxes ADD COLUMN assurance TEXT NOT NULL DEFAULT '';        -- send-only, verify, draft; '' = not tested

-- A sign-in that has begun and not come back. `id` is a hash: who reads the store cannot finish it.
CREATE TABLE sign_ins (
    id         TEXT PRIMARY KEY,
    mailbox_id INTEGER NOT NULL REFERENCES mailboxes,
    sealed     BLOB NOT NULL,
    expires_at REAL NOT NULL
) STRICT, WITHOUT ROWID;

-- What happened, written in the transaction that made it so.
CREATE TABLE events (
    seq        INTEGER PRIMARY KEY,
    type       TEXT NOT NULL,
    subject    TEXT NOT NULL,            -- such as the address of a mailbox
    data       TEXT NOT NULL,            -- JSON
    created_at REAL NOT NULL
) STRICT;

-- Why it was sent: '' for mail that was handed in, 'test' for the Test button's.
ALTER TABLE outbox ADD COLUMN purpose TEXT NOT NULL DEFAULT '';
