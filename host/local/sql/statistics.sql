-- What the run store counts of runs that ended, and what it tells of that. {wait_bucket} and {duration_bucket} stand for
-- the numbers of buckets, {is_timed} for whether the last attempt started.

-- name: tally
-- Of the rows changed after ?1, those that are final. No other final row has such a change number.
INSERT INTO run_statistics
SELECT 1, finished_at / 60000000, job_id, state, {wait_bucket}, {duration_bucket}, count(*),
  sum(CASE WHEN {is_timed} THEN started_at - due_at ELSE 0 END),
  sum(CASE WHEN {is_timed} THEN max(0, coalesce(took, finished_at - started_at)) ELSE 0 END)
FROM run INDEXED BY run_change WHERE change > ?1 AND state > 4
GROUP BY 2, 3, 4, 5, 6
ON CONFLICT DO UPDATE SET
  runs = runs + excluded.runs, wait_total = wait_total + excluded.wait_total,
  duration_total = duration_total + excluded.duration_total;

-- name: statistics
SELECT job_id, (start - ?1) / ?3, state, wait_bucket, duration_bucket, sum(runs), sum(wait_total), sum(duration_total)
FROM run_statistics WHERE span IN (1, 60) AND start >= ?1 AND start < ?2
GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2;

-- name: statistics_of
-- Of some jobs, {values}: each minute or hour that has any is looked into for each of them.
WITH RECURSIVE o (job_id) AS (VALUES {values}),
t (span, start) AS (
  SELECT s.value, (
    SELECT r.start FROM run_statistics AS r
    WHERE r.span = s.value AND r.start >= ?1 AND r.start < ?2 ORDER BY r.start LIMIT 1
  ) FROM json_each('[1, 60]') AS s
  UNION ALL
  SELECT t.span, (
    SELECT r.start FROM run_statistics AS r
    WHERE r.span = t.span AND r.start > t.start AND r.start < ?2 ORDER BY r.start LIMIT 1
  ) FROM t WHERE t.start IS NOT NULL
)
SELECT r.job_id, (r.start - ?1) / ?3, r.state, r.wait_bucket, r.duration_bucket,
  sum(r.runs), sum(r.wait_total), sum(r.duration_total)
FROM t CROSS JOIN o CROSS JOIN run_statistics AS r ON r.span = t.span AND r.start = t.start AND r.job_id = o.job_id
WHERE t.start IS NOT NULL
GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2;

-- name: failing
-- Runs in a row, newest first, that failed (6) or were quarantined (9) after the newest that completed (5).
SELECT count(*) FROM (
  SELECT 1 FROM run INDEXED BY run_job
  WHERE job_id = ?1 AND state IN (6, 9) AND seq > coalesce(
    (SELECT r.seq FROM run AS r INDEXED BY run_job WHERE r.job_id = ?1 AND r.state = 5 ORDER BY r.seq DESC LIMIT 1), 0
  )
  LIMIT ?2
);

-- name: fold_until
-- The last of the first ?3 rows before ?2, in the order of the primary key.
SELECT start, job_id, state, wait_bucket, duration_bucket FROM (
  SELECT start, job_id, state, wait_bucket, duration_bucket FROM run_statistics WHERE span = ?1 AND start < ?2
  ORDER BY start, job_id, state, wait_bucket, duration_bucket LIMIT ?3
) ORDER BY start DESC, job_id DESC, state DESC, wait_bucket DESC, duration_bucket DESC LIMIT 1;

-- name: fold
-- Minutes up to a row become part of their hours.
INSERT INTO run_statistics
SELECT 60, start / 60 * 60, job_id, state, wait_bucket, duration_bucket,
  sum(runs), sum(wait_total), sum(duration_total)
FROM run_statistics
WHERE span = ?1 AND (start, job_id, state, wait_bucket, duration_bucket) <= (?2, ?3, ?4, ?5, ?6)
GROUP BY 2, 3, 4, 5, 6
ON CONFLICT DO UPDATE SET
  runs = runs + excluded.runs, wait_total = wait_total + excluded.wait_total,
  duration_total = duration_total + excluded.duration_total;

-- name: drop
DELETE FROM run_statistics
WHERE span = ?1 AND (start, job_id, state, wait_bucket, duration_bucket) <= (?2, ?3, ?4, ?5, ?6);
