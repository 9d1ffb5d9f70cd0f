-- The console: people who sign in by Microsoft Entra ID. They have no password here.

ALTER TABLE people ADD COLUMN tenant_id TEXT NOT NULL DEFAULT ''; -- '' = has a password here, or a link to choose one
ALTER TABLE people ADD COLUMN object_id TEXT NOT NULL DEFAULT ''; -- who it is in that tenant; a name may change owners
CREATE UNIQUE INDEX people_of_entra ON people (tenant_id, object_id) WHERE object_id <> '';

-- What waits, and since when: an overview counts a million of them from here. What is sent at once is in it for a moment.
CREATE INDEX outbox_waiting ON outbox (state, (state = 'held' AND approval = 'wanted'), max(created_at, send_at))
    WHERE state IN ('queued', 'deferred', 'held', 'uncertain');
