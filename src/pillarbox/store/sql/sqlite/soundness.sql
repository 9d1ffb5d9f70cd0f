-- name: soundness_waiting
-- Of each state in which a message waits: how many do, and when the oldest came or was to go; those that wait for an
-- approval on their own.
SELECT state, state = 'held' AND approval = 'wanted' AS for_approval, count(*) AS messages,
       min(max(created_at, send_at)) AS oldest FROM outbox
WHERE state NOT IN ('sent', 'bounced', 'canceled') AND state <> 'failed' AND send_at <= :now GROUP BY 1, 2;
