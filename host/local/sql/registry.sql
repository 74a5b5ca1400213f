-- Every statement of the job registry.

-- name: registrations
SELECT job_type, start_type, registered_at FROM registration ORDER BY registered_at, seq;

-- name: register
INSERT INTO registration (job_type, start_type, registered_at) VALUES (?, ?, ?) ON CONFLICT (job_type) DO NOTHING;

-- name: unregister
DELETE FROM registration WHERE job_type = ?;

-- name: pauses
SELECT scope, reason, paused_by, paused_at FROM pause ORDER BY paused_at, seq;

-- name: pause
INSERT INTO pause (scope, reason, paused_by, paused_at) VALUES (?, ?, ?, ?) ON CONFLICT (scope) DO NOTHING;

-- name: resume
DELETE FROM pause WHERE scope = ?;

-- name: count
SELECT (SELECT count(*) FROM registration) + (SELECT count(*) FROM pause);
