-- name: uploads_add
-- A file that is to come in, unless all that its maker has here would be more than :most bytes or :count files.
INSERT INTO uploads (id, made_by, name, media_type, size, created_at, expires_at)
SELECT :id, :made_by, :name, :media_type, :size, :now, :expires_at
WHERE (SELECT coalesce(sum(size), 0) + :size <= :most AND count(*) < :count FROM uploads WHERE made_by = :made_by);

-- name: uploads_get
-- One file of whoever made it; to nobody else it is there.
SELECT * FROM uploads WHERE id = :id AND made_by = :made_by AND expires_at > :now;

-- name: uploads_received
-- So many bytes lie on the disk.
UPDATE uploads SET received = :received WHERE id = :id;

-- name: uploads_remove
-- It was sent, or is not wanted any more.
DELETE FROM uploads WHERE id = :id;

-- name: uploads_all
-- All that are known, with what should lie on the disk.
SELECT id, received, expires_at FROM uploads;
