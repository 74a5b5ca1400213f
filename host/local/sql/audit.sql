-- Every statement of the audit trail.

-- name: record
INSERT INTO event (at, principal, client, address, face, action, target, outcome, status, request_id, detail)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: page
-- Of the events in [floor, below), by (at, number).
SELECT number, at, principal, client, address, face, action, target, outcome, status, request_id, detail
FROM event INDEXED BY event_at
WHERE (at, number) < (:below_at, :below_number) AND (at, number) >= (:floor_at, :floor_number)
  AND (:principal IS NULL OR principal = :principal)
  AND (:face IS NULL OR face = :face)
  AND (:outcome IS NULL OR outcome = :outcome)
  AND (:text IS NULL OR {text})
ORDER BY at DESC, number DESC LIMIT :limit;

-- name: window
-- The last of so many events below one: reads the index alone.
SELECT at, number FROM event INDEXED BY event_at
WHERE (at, number) < (:below_at, :below_number) AND (at, number) >= (:floor_at, :floor_number)
ORDER BY at DESC, number DESC LIMIT 1 OFFSET :window - 1;

-- name: text_ascii
(action LIKE :text ESCAPE '!' OR target LIKE :text ESCAPE '!')

-- name: text_any
(instr(casefold(action), :text) > 0 OR instr(casefold(target), :text) > 0)

-- name: prune
DELETE FROM event WHERE number IN (
  SELECT number FROM event INDEXED BY event_at WHERE at < ? ORDER BY at, number LIMIT ?
);
