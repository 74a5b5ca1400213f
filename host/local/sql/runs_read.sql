-- What the run store's readers ask. Listings collect sequence numbers first, newest first, then the rows.

-- name: by_id
SELECT json_group_array({row}) FROM run WHERE id = ?;

-- name: by_seq
SELECT json_group_array({row}) FROM json_each(?) AS j CROSS JOIN run ON run.seq = j.value;

-- name: changed
SELECT json_group_array({row}) FROM (
  SELECT * FROM run INDEXED BY run_change WHERE change > ? ORDER BY change LIMIT ?
) AS run;

-- name: changed_last
SELECT json_group_array({row}) FROM (
  SELECT * FROM run INDEXED BY run_change WHERE change > 0 ORDER BY change DESC LIMIT 1
) AS run;

-- name: list_any
SELECT json_group_array(seq) FROM (
  SELECT seq FROM run
  WHERE seq < :below AND seq >= :floor {filters}
  ORDER BY seq DESC LIMIT :limit
);

-- name: filters
AND (:tenant IS NULL OR tenant = :tenant)
AND (:schedule_id IS NULL OR schedule_id = :schedule_id)
AND (:job_id IS NULL OR job_id = :job_id)
AND (:states IS NULL OR state IN (SELECT value FROM json_each(:states)))
AND (:created_from IS NULL OR created_at >= :created_from)
AND (:created_until IS NULL OR created_at < :created_until)
AND (:text IS NULL OR {text});

-- name: text_ascii

{said} LIKE :text ESCAPE '!';

-- name: text_any
instr(casefold({said}), :text) > 0;

-- name: said
job_type || char(10) || coalesce(status_text, '') || char(10) || coalesce(json_extract(errors, '$[#-1].error'), '');

-- name: list_state
SELECT json_group_array(seq) FROM (
  SELECT seq FROM run INDEXED BY run_state
  WHERE state = :state AND seq < :below AND seq >= :floor {filters}
  ORDER BY seq DESC LIMIT :limit
);

-- name: list_job
SELECT json_group_array(seq) FROM (
  SELECT seq FROM run INDEXED BY run_job
  WHERE job_id = :job_id AND state = :state AND seq < :below AND seq >= :floor {filters}
  ORDER BY seq DESC LIMIT :limit
);

-- name: list_schedule
SELECT json_group_array(seq) FROM (
  SELECT seq FROM run INDEXED BY run_fire
  WHERE schedule_id = :schedule_id AND seq < :below AND seq >= :floor {filters}
  ORDER BY seq DESC LIMIT :limit
);

-- name: latest_of_job
SELECT max(seq) FROM (
  SELECT (
    SELECT seq FROM run INDEXED BY run_job WHERE job_id = ?1 AND state = s.value ORDER BY seq DESC LIMIT 1
  ) AS seq FROM json_each(?2) AS s
);

-- name: count_state
SELECT count(*) FROM (SELECT 1 FROM run INDEXED BY run_state WHERE state = ? LIMIT ?);

-- name: oldest_due
-- The first accepted among the queued, or where those are held back, the first of those the claim looks at.
SELECT coalesce(
  (SELECT due_at FROM (
    SELECT due_at, ready FROM run INDEXED BY run_state WHERE state = 2 ORDER BY seq LIMIT ?1
  ) WHERE ready = 1 LIMIT 1),
  (SELECT min(due_at) FROM (SELECT due_at FROM run INDEXED BY run_due WHERE state = 2 AND ready = 1 LIMIT ?1))
);

-- name: newest
SELECT max(seq) FROM run;
