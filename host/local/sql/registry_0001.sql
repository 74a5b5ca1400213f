-- What operators decided about jobs. Instants are microseconds since 1970-01-01T00:00:00Z.
CREATE TABLE registration (
  seq INTEGER PRIMARY KEY,
  job_type TEXT NOT NULL UNIQUE,
  start_type TEXT NOT NULL CHECK (start_type IN ('immediate', 'delay', 'schedule', 'never')),
  registered_at INTEGER NOT NULL
) STRICT;

CREATE TABLE pause (
  seq INTEGER PRIMARY KEY,
  scope TEXT NOT NULL UNIQUE,
  reason TEXT NOT NULL,
  paused_by TEXT,
  paused_at INTEGER NOT NULL
) STRICT;
