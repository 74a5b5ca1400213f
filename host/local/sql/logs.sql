-- Every statement of the run log.

-- name: open
INSERT INTO run_log (run_id, lines, bytes, dropped) VALUES (?, 0, 0, 0) ON CONFLICT (run_id) DO NOTHING;

-- name: account
SELECT id, lines, bytes, dropped FROM run_log WHERE run_id = ?;

-- name: settle
UPDATE run_log SET lines = ?, bytes = ?, dropped = ? WHERE id = ?;

-- name: write
INSERT INTO line (log, number, written_at, level, event, fields, attempt) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (log, number) DO UPDATE SET written_at = excluded.written_at, fields = excluded.fields;

-- name: read
SELECT number, written_at, level, event, fields, attempt FROM line
WHERE log = (SELECT id FROM run_log WHERE run_id = ?) AND number > ? ORDER BY number LIMIT ?;

-- name: delete_lines
DELETE FROM line WHERE log = (SELECT id FROM run_log WHERE run_id = ?);

-- name: delete_log
DELETE FROM run_log WHERE run_id = ?;
