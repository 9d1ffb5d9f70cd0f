-- name: soundness_waiting
-- Of each state in which a message waits: how many do, and when the oldest came or was to go.
SELECT state, count(*) AS messages, min(max(created_at, send_at)) AS oldest FROM outbox
WHERE state NOT IN ('sent', 'bounced', 'canceled') AND state <> 'failed' AND send_at <= :now GROUP BY state;
