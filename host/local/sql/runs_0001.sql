-- One row is one run: request, queue entry, lease, state and history.
--
-- state: 0 pending, 1 scheduled, 2 queued, 3 starting, 4 running,
--        5 completed, 6 failed, 7 cancelled, 8 skipped, 9 quarantined.
-- ready: 1 = holds its exclusive key (if any) and, while queued, may be claimed;
--        0 = not due, waiting behind the key's holder, or final;
--        2 = parked: queued, of a job type that this host does not offer.
-- Instants are microseconds since 1970-01-01T00:00:00Z. Wide columns stand last.
CREATE TABLE run (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id BLOB NOT NULL UNIQUE,
  state INTEGER NOT NULL,
  ready INTEGER NOT NULL,
  change INTEGER NOT NULL,
  fencing_token INTEGER NOT NULL DEFAULT 0,
  attempt INTEGER NOT NULL DEFAULT 0,
  max_attempts INTEGER NOT NULL,
  crashes INTEGER NOT NULL DEFAULT 0,
  priority INTEGER NOT NULL,
  due_at INTEGER NOT NULL,
  expires_at INTEGER,
  lease_until INTEGER,
  cancel_requested_at INTEGER,
  is_locked INTEGER NOT NULL DEFAULT 0,
  is_stuck INTEGER NOT NULL DEFAULT 0,
  job_id BLOB NOT NULL,
  job_type TEXT NOT NULL,
  executor TEXT NOT NULL,
  tenant TEXT NOT NULL,
  exclusive_key TEXT,
  overlap TEXT NOT NULL,
  recovery TEXT NOT NULL,
  reason TEXT,
  schedule_id BLOB,
  schedule_version TEXT,
  fire_time INTEGER,
  missed INTEGER NOT NULL DEFAULT 0,
  not_before INTEGER,
  timeout INTEGER,
  node TEXT,
  created_at INTEGER NOT NULL,
  claimed_at INTEGER,
  started_at INTEGER,
  finished_at INTEGER,
  updated_at INTEGER NOT NULL,
  took INTEGER,
  progress REAL,
  trace_id TEXT NOT NULL,
  origin_run_id BLOB,
  cancel_requested_by TEXT,
  owner TEXT,
  idempotency_key TEXT,
  status_text TEXT,
  parameters TEXT NOT NULL,
  result TEXT,
  errors TEXT
) STRICT;

-- Proofs.
CREATE UNIQUE INDEX run_fire ON run (schedule_id, fire_time) WHERE schedule_id IS NOT NULL;
CREATE UNIQUE INDEX run_idempotency ON run (idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE UNIQUE INDEX run_exclusive ON run (exclusive_key) WHERE ready = 1 AND exclusive_key IS NOT NULL;

-- The claim's ways in: each holds live rows only, so history costs it nothing.
CREATE INDEX run_due ON run (executor, tenant, priority DESC, due_at) WHERE state = 2 AND ready = 1;
CREATE INDEX run_waiting ON run (due_at) WHERE state = 1;
CREATE INDEX run_expiry ON run (expires_at) WHERE expires_at IS NOT NULL AND state < 3;
CREATE INDEX run_parked ON run (job_type) WHERE ready = 2;
CREATE INDEX run_suspect ON run (crashes, due_at) WHERE crashes > 0 AND state < 5;

-- Rows behind an exclusive key's holder.
CREATE INDEX run_blocked ON run (exclusive_key, due_at) WHERE state = 2 AND ready = 0;
CREATE INDEX run_skippable ON run (exclusive_key) WHERE state = 2 AND ready = 0 AND overlap = 'skip';
CREATE INDEX run_asleep ON run (exclusive_key) WHERE exclusive_key IS NOT NULL AND (state < 2 OR ready = 2);

-- Followers, listings, retention. An index ends in seq by itself.
CREATE INDEX run_change ON run (change);
CREATE INDEX run_state ON run (state);
CREATE INDEX run_job ON run (job_id, state);
CREATE INDEX run_finished ON run (state, finished_at) WHERE state > 4 AND is_locked = 0;

CREATE TABLE schedule_cursor (
  schedule_id BLOB PRIMARY KEY,
  version TEXT NOT NULL,
  effective_from INTEGER NOT NULL,
  last_fire_time INTEGER,
  fire_count INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- The highest change number ever given: retention may delete the row that had it.
CREATE TABLE change_mark (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  value INTEGER NOT NULL
) STRICT;
INSERT INTO change_mark (one, value) VALUES (1, 0);

-- How many runs of a job ended in a minute (span 1) or an hour (span 60), by state and by how long they waited and took:
-- numbers of a histogram's buckets, -1 where the run never started, and sums in microseconds. start is in minutes since
-- 1970. Kept as runs end, in the same transaction; what ended lately stands together at the end.
CREATE TABLE run_statistics (
  span INTEGER NOT NULL,
  start INTEGER NOT NULL,
  job_id BLOB NOT NULL,
  state INTEGER NOT NULL,
  wait_bucket INTEGER NOT NULL,
  duration_bucket INTEGER NOT NULL,
  runs INTEGER NOT NULL,
  wait_total INTEGER NOT NULL,
  duration_total INTEGER NOT NULL,
  PRIMARY KEY (span, start, job_id, state, wait_bucket, duration_bucket)
) STRICT, WITHOUT ROWID;
