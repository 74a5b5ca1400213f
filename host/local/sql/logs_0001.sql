-- What runs wrote. run_log is the account of one run: lines and bytes kept, and lines dropped past its bound.
-- A line's number counts from 1 within its run; a run with dropped > 0 has one closing line more, numbered lines + 1.
-- Instants are microseconds since 1970-01-01T00:00:00Z; fields is a JSON object.
CREATE TABLE run_log (
  id INTEGER PRIMARY KEY,
  run_id BLOB NOT NULL UNIQUE,
  lines INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  dropped INTEGER NOT NULL
) STRICT;

CREATE TABLE line (
  log INTEGER NOT NULL,
  number INTEGER NOT NULL,
  written_at INTEGER NOT NULL,
  level TEXT NOT NULL,
  event TEXT NOT NULL,
  fields TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  PRIMARY KEY (log, number)
) STRICT, WITHOUT ROWID;
