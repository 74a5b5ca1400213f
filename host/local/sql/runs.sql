-- What the run store's writer says. {values} stands for rows of parameters, {row} and {claimed} for a JSON array of
-- one run's columns. Lists travel as one JSON text each way: the interpreter is entered once a statement, not once a row.

-- name: change_highest
SELECT max((SELECT coalesce(max(change), 0) FROM run), (SELECT value FROM change_mark WHERE one = 1));

-- name: change_keep
UPDATE change_mark SET value = ?1 WHERE one = 1 AND value < ?1;

-- name: has_keys
SELECT EXISTS (SELECT 1 FROM run INDEXED BY run_exclusive WHERE ready = 1 AND exclusive_key IS NOT NULL)
  OR EXISTS (SELECT 1 FROM run INDEXED BY run_asleep WHERE exclusive_key IS NOT NULL AND (state < 2 OR ready = 2));

-- name: has_cancels
SELECT EXISTS (SELECT 1 FROM run INDEXED BY run_state WHERE state IN (3, 4) AND cancel_requested_at IS NOT NULL);

-- name: keys_skippable
SELECT json_group_array(DISTINCT exclusive_key) FROM run INDEXED BY run_skippable
WHERE state = 2 AND ready = 0 AND overlap = 'skip' AND exclusive_key IS NOT NULL;

-- name: due_earliest
SELECT min(due_at) FROM run INDEXED BY run_waiting WHERE state = 1;

-- name: expiry_earliest
SELECT min(expires_at) FROM run INDEXED BY run_expiry WHERE expires_at IS NOT NULL AND state < 3;

-- name: insert
INSERT INTO run (
  id, job_id, state, ready, change, due_at, expires_at, exclusive_key, overlap, schedule_id, schedule_version,
  fire_time, idempotency_key, job_type, executor, tenant, recovery, reason, max_attempts, priority, missed,
  not_before, timeout, created_at, finished_at, updated_at, trace_id, origin_run_id, owner, parameters
) VALUES {values};

-- name: known_ids
WITH o (n, id) AS (VALUES {values})
SELECT json_group_array(json_array(o.n, hex(run.job_id))) FROM o CROSS JOIN run ON run.id = o.id;

-- name: known_keys
WITH o (n, idempotency_key, job_id) AS (VALUES {values})
SELECT json_group_array(json_array(o.n, hex(run.id))) FROM o
CROSS JOIN run INDEXED BY run_idempotency ON run.idempotency_key = o.idempotency_key AND run.job_id = o.job_id;

-- name: known_fires
WITH o (n, schedule_id, fire_time) AS (VALUES {values})
SELECT json_group_array(o.n) FROM o
WHERE EXISTS (
  SELECT 1 FROM run INDEXED BY run_fire WHERE run.schedule_id = o.schedule_id AND run.fire_time = o.fire_time
);

-- name: keys_held
SELECT json_group_array(k.value) FROM json_each(?) AS k
WHERE EXISTS (SELECT 1 FROM run INDEXED BY run_exclusive WHERE run.exclusive_key = k.value AND run.ready = 1)
  OR EXISTS (
    SELECT 1 FROM run INDEXED BY run_asleep
    WHERE run.exclusive_key = k.value AND (run.state < 2 OR run.ready = 2) AND run.ready = 2
      AND (run.attempt + run.crashes > 0 OR run.reason IS 'snoozed')
  );

-- name: superseded_waiting
SELECT json_group_array(seq) FROM (
  SELECT run.seq FROM json_each(?1) AS k
  CROSS JOIN run INDEXED BY run_exclusive ON run.exclusive_key = k.value AND run.ready = 1 AND run.state < 3
  UNION ALL
  SELECT run.seq FROM json_each(?1) AS k
  CROSS JOIN run INDEXED BY run_blocked ON run.exclusive_key = k.value AND run.state = 2 AND run.ready = 0
  UNION ALL
  SELECT run.seq FROM json_each(?1) AS k
  CROSS JOIN run INDEXED BY run_asleep
    ON run.exclusive_key = k.value AND (run.state < 2 OR run.ready = 2) AND run.ready <> 1
  ORDER BY 1
);

-- name: superseded_active
SELECT json_group_array(run.seq) FROM json_each(?) AS k
CROSS JOIN run INDEXED BY run_exclusive ON run.exclusive_key = k.value AND run.ready = 1
WHERE run.state IN (3, 4) AND run.cancel_requested_at IS NULL;

-- name: cancel_waiting
UPDATE run SET
  state = 7, ready = 0, started_at = NULL, took = NULL, reason = ?1, change = ?2 + j.key, finished_at = ?3, updated_at = ?3,
  cancel_requested_at = coalesce(cancel_requested_at, ?3), cancel_requested_by = coalesce(cancel_requested_by, ?4)
FROM json_each(?5) AS j WHERE run.seq = j.value;

-- name: cancel_active
UPDATE run SET change = ?1 + j.key, updated_at = ?2, cancel_requested_at = ?2, cancel_requested_by = ?3
FROM json_each(?4) AS j WHERE run.seq = j.value;

-- name: unhold
-- Waiting holders that have not started give their key back, so that the oldest due run of all can take it.
UPDATE run SET ready = 0 WHERE seq IN (
  SELECT h.seq FROM json_each(?) AS k
  CROSS JOIN run AS h INDEXED BY run_exclusive ON h.exclusive_key = k.value AND h.ready = 1
  WHERE h.state = 2 AND h.attempt = 0 AND h.crashes = 0 AND h.reason IS NOT 'snoozed'
);

-- name: settle
-- The oldest waiting run of each key that nobody holds becomes its holder; a run between attempts holds it parked, too.
UPDATE run SET ready = 1 FROM (
  SELECT (
    SELECT w.seq FROM run AS w INDEXED BY run_blocked
    WHERE w.exclusive_key = k.value AND w.state = 2 AND w.ready = 0 ORDER BY w.due_at, w.seq LIMIT 1
  ) AS seq
  FROM json_each(?) AS k
  WHERE NOT EXISTS (
    SELECT 1 FROM run AS h INDEXED BY run_exclusive WHERE h.exclusive_key = k.value AND h.ready = 1
  ) AND NOT EXISTS (
    SELECT 1 FROM run AS p INDEXED BY run_asleep
    WHERE p.exclusive_key = k.value AND (p.state < 2 OR p.ready = 2) AND p.ready = 2
      AND (p.attempt + p.crashes > 0 OR p.reason IS 'snoozed')
  )
) AS o WHERE run.seq = o.seq;

-- name: keys_released
SELECT json_group_array(DISTINCT exclusive_key) FROM run INDEXED BY run_change
WHERE change > ? AND exclusive_key IS NOT NULL AND ready <> 1;

-- name: keys_of
SELECT json_group_array(DISTINCT run.exclusive_key) FROM json_each(?) AS j
CROSS JOIN run ON run.seq = j.value WHERE run.exclusive_key IS NOT NULL;

-- name: expired
SELECT json_group_array(seq) FROM (
  SELECT seq FROM run INDEXED BY run_expiry
  WHERE expires_at IS NOT NULL AND state < 3 AND expires_at <= ? ORDER BY expires_at, seq LIMIT ?
);

-- name: fail_waiting
UPDATE run SET state = 6, ready = 0, started_at = NULL, took = NULL, reason = ?1, change = ?2 + j.key, finished_at = ?3, updated_at = ?3
FROM json_each(?4) AS j WHERE run.seq = j.value;

-- name: due
SELECT json_group_array(seq) FROM (
  SELECT seq FROM run INDEXED BY run_waiting WHERE state = 1 AND due_at <= ? ORDER BY due_at, seq LIMIT ?
);

-- name: promote
UPDATE run SET state = 2, ready = (exclusive_key IS NULL OR ready = 1), change = ?1 + j.key, updated_at = ?2
FROM json_each(?3) AS j WHERE run.seq = j.value;

-- name: offered_create
CREATE TEMP TABLE IF NOT EXISTS offered (job_type TEXT PRIMARY KEY) WITHOUT ROWID;

-- name: offered_clear
DELETE FROM temp.offered;

-- name: offered_fill
INSERT OR IGNORE INTO temp.offered SELECT value FROM json_each(?);

-- name: parked_offered
SELECT json_group_array(seq) FROM run INDEXED BY run_parked
WHERE ready = 2 AND job_type IN (SELECT job_type FROM temp.offered);

-- name: unpark
UPDATE run SET ready = (exclusive_key IS NULL) FROM json_each(?) AS j WHERE run.seq = j.value;

-- name: rehold
-- Of those unparked, a run between attempts has its key still; ignored where another has it by now.
UPDATE OR IGNORE run SET ready = 1 FROM json_each(?) AS j
WHERE run.seq = j.value AND run.state = 2 AND run.exclusive_key IS NOT NULL
  AND (run.attempt + run.crashes > 0 OR run.reason IS 'snoozed');

-- name: park
UPDATE run SET ready = 2 FROM json_each(?) AS j WHERE run.seq = j.value;

-- name: tenants
WITH RECURSIVE t (tenant, n) AS (
  SELECT (
    SELECT r.tenant FROM run AS r INDEXED BY run_due
    WHERE r.state = 2 AND r.ready = 1 AND r.executor = ?1 AND r.tenant > ?2 ORDER BY r.tenant LIMIT 1
  ), 1
  UNION ALL
  SELECT (
    SELECT r.tenant FROM run AS r INDEXED BY run_due
    WHERE r.state = 2 AND r.ready = 1 AND r.executor = ?1 AND r.tenant > t.tenant ORDER BY r.tenant LIMIT 1
  ), t.n + 1
  FROM t WHERE t.tenant IS NOT NULL AND t.n < ?3
)
SELECT json_group_array(tenant) FROM t WHERE tenant IS NOT NULL;

-- name: candidates
-- For each tenant in order: the first due runs of offered types, and those of other types in between.
SELECT json_group_array(json((
  SELECT json_array(
    json_group_array(c.seq) FILTER (WHERE c.is_offered), json_group_array(c.seq) FILTER (WHERE NOT c.is_offered)
  ) FROM (
    SELECT r.seq, r.job_type IN temp.offered AS is_offered FROM run AS r INDEXED BY run_due
    WHERE r.state = 2 AND r.ready = 1 AND r.executor = ?1 AND r.tenant = t.value
    ORDER BY r.priority DESC, r.due_at, r.seq LIMIT ?3
  ) AS c
))) FROM json_each(?2) AS t;

-- name: has_suspects
SELECT EXISTS (SELECT 1 FROM run INDEXED BY run_suspect WHERE crashes > 0 AND state < 5);

-- name: suspect
SELECT json_group_array(seq) FROM (
  SELECT seq FROM run INDEXED BY run_suspect
  WHERE crashes > 0 AND state < 5 AND crashes >= ?1 AND state = 2 AND ready = 1
    AND executor IN (SELECT value FROM json_each(?2)) AND job_type IN temp.offered
  ORDER BY crashes, due_at, seq LIMIT 1
);

-- name: claim
UPDATE run SET
  state = 3, reason = NULL, fencing_token = fencing_token + 1, attempt = attempt + 1, node = ?1, lease_until = ?2,
  claimed_at = ?3, updated_at = ?3, started_at = NULL, took = NULL, progress = NULL, status_text = NULL, is_stuck = 0,
  change = ?4 + j.key
FROM json_each(?5) AS j WHERE run.seq = j.value;

-- name: claimed
SELECT json_group_array({claimed}) FROM json_each(?) AS j CROSS JOIN run ON run.seq = j.value;

-- name: skip_overlapping
UPDATE run SET state = 8, started_at = NULL, took = NULL, reason = 'overlap', change = ?1 + o.n, finished_at = ?2, updated_at = ?2
FROM (
  SELECT seq, row_number() OVER () AS n FROM (
    SELECT w.seq AS seq FROM json_each(?3) AS k
    CROSS JOIN run AS h INDEXED BY run_exclusive ON h.exclusive_key = k.value AND h.ready = 1
    CROSS JOIN run AS w INDEXED BY run_skippable
      ON w.exclusive_key = k.value AND w.state = 2 AND w.ready = 0 AND w.overlap = 'skip'
    WHERE h.state IN (1, 3, 4) OR h.attempt + h.crashes > 0 OR h.reason = 'snoozed'
    LIMIT ?4
  )
) AS o WHERE run.seq = o.seq;

-- name: check_claims
-- Those to tell about: no longer ours, or asked to cancel.
WITH o (n, id, token) AS (VALUES {values}),
c (n, is_ours, is_cancelled) AS (
  SELECT o.n, coalesce(
    run.fencing_token = o.token AND run.state IN (3, 4) AND (run.lease_until IS NULL OR run.lease_until >= ?), 0
  ), run.cancel_requested_at IS NOT NULL
  FROM o LEFT JOIN run ON run.id = o.id
)
SELECT json_group_array(json_array(n, is_ours)) FROM c WHERE NOT is_ours OR is_cancelled;

-- name: renew
-- A renewed lease is no news: it gets no change number.
WITH o (n, id, token) AS (VALUES {values})
UPDATE run SET lease_until = ? FROM o
WHERE run.id = o.id AND run.fencing_token = o.token AND run.state IN (3, 4) AND run.lease_until >= ?;

-- name: update_started
WITH o (change, id, token, started_at, progress, status_text, is_stuck) AS (VALUES {values})
UPDATE run SET
  state = 4, started_at = coalesce(run.started_at, o.started_at), change = o.change, updated_at = ?,
  progress = coalesce(o.progress, run.progress), status_text = coalesce(o.status_text, run.status_text),
  is_stuck = coalesce(o.is_stuck, run.is_stuck)
FROM o
WHERE run.id = o.id AND run.fencing_token = o.token AND run.state IN (3, 4)
  AND (run.lease_until IS NULL OR run.lease_until >= ?);

-- name: update_progress
WITH o (change, id, token, started_at, progress, status_text, is_stuck) AS (VALUES {values})
UPDATE run SET
  change = o.change, updated_at = ?,
  progress = coalesce(o.progress, run.progress), status_text = coalesce(o.status_text, run.status_text),
  is_stuck = coalesce(o.is_stuck, run.is_stuck)
FROM o
WHERE run.id = o.id AND run.fencing_token = o.token AND run.state IN (3, 4)
  AND (run.lease_until IS NULL OR run.lease_until >= ?);

-- name: finish_final
WITH o (change, id, token, state, reason, started_at, value, error, progress, status_text, is_crash, took) AS (VALUES {values})
UPDATE run SET
  state = CASE WHEN o.state = 5 AND run.cancel_requested_at IS NOT NULL THEN 7 ELSE o.state END,
  reason = CASE WHEN o.state = 5 AND run.cancel_requested_at IS NOT NULL THEN 'requested' ELSE o.reason END,
  ready = 0, change = o.change, updated_at = ?, finished_at = ?, lease_until = NULL, is_stuck = 0,
  attempt = run.attempt - o.is_crash, crashes = run.crashes + o.is_crash,
  started_at = coalesce(o.started_at, run.started_at), took = o.took, result = o.value,
  errors = CASE WHEN o.error IS NULL THEN run.errors ELSE coalesce(rtrim(run.errors, ']') || ',', '[') || o.error || ']' END,
  progress = coalesce(o.progress, run.progress), status_text = coalesce(o.status_text, run.status_text)
FROM o
WHERE run.id = o.id AND run.fencing_token = o.token AND run.state IN (3, 4)
  AND (run.lease_until IS NULL OR run.lease_until >= ?)
  AND (run.state = 4 OR o.started_at IS NOT NULL OR o.state <> 5 OR run.cancel_requested_at IS NOT NULL);

-- name: finish_again
-- Another attempt (1), put off (1, snoozed), or given back (2). Between attempts, put off or after a crash a run keeps
-- its key; one given back before its first outcome competes for it again.
WITH o (change, id, token, state, reason, started_at, value, error, progress, status_text, is_crash, took) AS (VALUES {values})
UPDATE run SET
  state = CASE WHEN run.cancel_requested_at IS NOT NULL THEN 7 ELSE o.state END,
  reason = CASE WHEN run.cancel_requested_at IS NOT NULL THEN 'requested' ELSE o.reason END,
  attempt = run.attempt - (
    o.is_crash OR ((o.state = 2 OR o.reason IS 'snoozed') AND run.cancel_requested_at IS NULL)
  ),
  crashes = run.crashes + o.is_crash,
  forgiven = run.forgiven + (
    o.state = 2 AND o.reason IS 'recovered' AND NOT o.is_crash AND run.cancel_requested_at IS NULL
  ),
  ready = CASE
    WHEN run.cancel_requested_at IS NOT NULL THEN 0
    WHEN o.state = 1 THEN run.exclusive_key IS NOT NULL
    ELSE run.exclusive_key IS NULL OR run.attempt - 1 + run.crashes + o.is_crash > 0
  END,
  due_at = coalesce(o.value, run.due_at), not_before = coalesce(o.value, run.not_before),
  change = o.change, updated_at = ?, lease_until = NULL, is_stuck = 0,
  finished_at = CASE WHEN run.cancel_requested_at IS NOT NULL THEN ? END,
  started_at = coalesce(o.started_at, run.started_at), took = o.took,
  errors = CASE WHEN o.error IS NULL THEN run.errors ELSE coalesce(rtrim(run.errors, ']') || ',', '[') || o.error || ']' END,
  progress = coalesce(o.progress, run.progress), status_text = coalesce(o.status_text, run.status_text)
FROM o
WHERE run.id = o.id AND run.fencing_token = o.token AND run.state IN (3, 4)
  AND (run.lease_until IS NULL OR run.lease_until >= ?)
  AND (run.state = 4 OR o.started_at IS NOT NULL OR o.state = 2 OR run.cancel_requested_at IS NOT NULL);

-- name: refused
WITH o (n, id, change) AS (VALUES {values})
SELECT json_group_array(o.n) FROM o LEFT JOIN run ON run.id = o.id WHERE run.change IS NOT o.change;

-- name: suspects_by_node
SELECT json_group_array(seq) FROM (
  SELECT seq FROM run INDEXED BY run_state WHERE state IN (3, 4) AND node IS NOT ? ORDER BY seq
);

-- name: suspects_by_lease
SELECT json_group_array(seq) FROM (
  SELECT seq FROM run INDEXED BY run_state
  WHERE state IN (3, 4) AND (lease_until < ?2 OR (lease_until IS NULL AND node IS NOT ?1)) ORDER BY seq
);

-- name: rescue
-- One that is forgiven competes for its key again unless it has had an outcome or a crash before.
UPDATE run SET
  state = o.state, crashes = run.crashes + 1 - o.is_forgiven, forgiven = run.forgiven + o.is_forgiven,
  attempt = run.attempt - 1,
  ready = (o.state = 2 AND (run.exclusive_key IS NULL OR run.attempt - 1 + run.crashes + 1 - o.is_forgiven > 0)),
  reason = CASE o.state WHEN 2 THEN 'recovered' WHEN 6 THEN 'lost' WHEN 7 THEN 'requested' ELSE 'crashes' END,
  finished_at = CASE WHEN o.state <> 2 THEN ?1 END, lease_until = NULL, is_stuck = 0,
  change = ?2 + o.n, updated_at = ?1
FROM (
  SELECT s.seq, s.n, s.is_forgiven, CASE
    WHEN s.recovery = 'fail' THEN 6 WHEN s.cancel_requested_at IS NOT NULL THEN 7
    WHEN s.crashes + 1 - s.is_forgiven >= ?3 THEN 9 ELSE 2
  END AS state
  FROM (
    SELECT r.seq AS seq, j.key AS n, r.recovery, r.cancel_requested_at, r.crashes,
      r.executor IN (SELECT value FROM json_each(?5)) AND r.forgiven < ?6 AS is_forgiven
    FROM json_each(?4) AS j CROSS JOIN run AS r ON r.seq = j.value
  ) AS s
) AS o WHERE run.seq = o.seq;

-- name: by_seq
SELECT json_group_array({row}) FROM json_each(?) AS j CROSS JOIN run ON run.seq = j.value;

-- name: standing
WITH o (n, id) AS (VALUES {values})
SELECT json_group_array(json_array(o.n, run.seq, run.state, run.cancel_requested_at IS NOT NULL))
FROM o CROSS JOIN run ON run.id = o.id;

-- name: amend
UPDATE run SET
  state = ?1, ready = ?2, priority = ?3, due_at = ?4, not_before = ?5, is_locked = ?6, change = ?7, updated_at = ?8
WHERE seq = ?9;

-- name: amendable
SELECT json_group_array(json_array(seq, state, ready, priority, due_at, not_before, is_locked, exclusive_key))
FROM run WHERE id = ?;

-- name: prunable
SELECT json_group_array(seq) FROM (
  SELECT seq, finished_at FROM (
    SELECT * FROM (SELECT seq, finished_at FROM run INDEXED BY run_finished
      WHERE state = 5 AND state > 4 AND is_locked = 0 AND finished_at < ?1 AND ?3 & 32 ORDER BY finished_at LIMIT ?2)
    UNION ALL
    SELECT * FROM (SELECT seq, finished_at FROM run INDEXED BY run_finished
      WHERE state = 6 AND state > 4 AND is_locked = 0 AND finished_at < ?1 AND ?3 & 64 ORDER BY finished_at LIMIT ?2)
    UNION ALL
    SELECT * FROM (SELECT seq, finished_at FROM run INDEXED BY run_finished
      WHERE state = 7 AND state > 4 AND is_locked = 0 AND finished_at < ?1 AND ?3 & 128 ORDER BY finished_at LIMIT ?2)
    UNION ALL
    SELECT * FROM (SELECT seq, finished_at FROM run INDEXED BY run_finished
      WHERE state = 8 AND state > 4 AND is_locked = 0 AND finished_at < ?1 AND ?3 & 256 ORDER BY finished_at LIMIT ?2)
    UNION ALL
    SELECT * FROM (SELECT seq, finished_at FROM run INDEXED BY run_finished
      WHERE state = 9 AND state > 4 AND is_locked = 0 AND finished_at < ?1 AND ?3 & 512 ORDER BY finished_at LIMIT ?2)
  ) ORDER BY finished_at, seq LIMIT ?2
);

-- name: ids_of
SELECT json_group_array(hex(run.id)) FROM json_each(?) AS j CROSS JOIN run ON run.seq = j.value;

-- name: delete
DELETE FROM run WHERE seq IN (SELECT value FROM json_each(?));

-- name: cursors
WITH o (id) AS (VALUES {values})
SELECT json_group_array(json_array(hex(c.schedule_id), c.version, c.effective_from, c.last_fire_time, c.fire_count))
FROM o CROSS JOIN schedule_cursor AS c ON c.schedule_id = o.id;

-- name: cursor_adopt
INSERT INTO schedule_cursor (schedule_id, version, effective_from) VALUES {values}
ON CONFLICT (schedule_id) DO UPDATE SET
  version = excluded.version, effective_from = excluded.effective_from, last_fire_time = NULL, fire_count = 0
WHERE version <> excluded.version;

-- name: cursor_move
INSERT INTO schedule_cursor (schedule_id, version, effective_from, last_fire_time, fire_count) VALUES {values}
ON CONFLICT (schedule_id) DO UPDATE SET
  last_fire_time = excluded.last_fire_time, fire_count = max(fire_count, excluded.fire_count)
WHERE version = excluded.version AND coalesce(last_fire_time < excluded.last_fire_time, last_fire_time IS NULL);
