-- Sessions and the refresh tokens that prolong them. Of tokens only SHA-256 hashes are here.

-- name: schema
CREATE TABLE session (
    id TEXT PRIMARY KEY,
    account TEXT NOT NULL,
    kind TEXT NOT NULL,
    stamp TEXT NOT NULL,
    client TEXT,
    scopes TEXT NOT NULL,
    began_at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL,
    family BLOB,
    secret BLOB
) STRICT;
CREATE UNIQUE INDEX session_family ON session (family) WHERE family IS NOT NULL;
CREATE INDEX session_end ON session (ends_at);

-- name: all
SELECT id, account, kind, stamp, client, scopes, began_at, ends_at, family, secret
FROM session ORDER BY began_at, id;

-- name: put
INSERT OR REPLACE INTO session (id, account, kind, stamp, client, scopes, began_at, ends_at, family, secret)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: end
DELETE FROM session WHERE id = ?;

-- name: prune
DELETE FROM session WHERE ends_at <= ?;
