-- Whether the store works (store/pulse.py).

-- name: pulse_answer
-- Nothing is written by it.
SELECT 1 AS one;

-- name: pulse_fill
-- Room for a small message: pages that are new, or were given back.
INSERT INTO pulse (room) VALUES (zeroblob(65536));

-- name: pulse_clear
-- In the same transaction, so that nobody ever sees it.
DELETE FROM pulse;
