-- What is asked of a run store that no host has open.

-- name: active
SELECT job_type, count(*) FROM run WHERE state IN (3, 4) GROUP BY job_type ORDER BY job_type;

-- name: crashed
-- Unfinished runs that have brought down their host or their process.
SELECT job_type, max(crashes) FROM run INDEXED BY run_suspect WHERE crashes > 0 AND state < 5
GROUP BY job_type ORDER BY job_type;
