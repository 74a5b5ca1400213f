-- A key is one of its job's: another job's run with the same key is another run.
DROP INDEX run_idempotency;
CREATE UNIQUE INDEX run_idempotency ON run (idempotency_key, job_id) WHERE idempotency_key IS NOT NULL;
