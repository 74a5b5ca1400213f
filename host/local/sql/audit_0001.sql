-- Who did what. Instants are microseconds since 1970-01-01T00:00:00Z.
CREATE TABLE event (
  number INTEGER PRIMARY KEY AUTOINCREMENT,  -- never given twice, also after the newest event was deleted
  at INTEGER NOT NULL,
  principal TEXT,
  client TEXT,
  address TEXT,
  face TEXT NOT NULL,
  action TEXT NOT NULL,
  target TEXT NOT NULL,
  outcome TEXT NOT NULL,
  status INTEGER,
  request_id TEXT,
  detail TEXT NOT NULL
) STRICT;

CREATE INDEX event_at ON event (at, number);
