-- Claims that ended without an outcome through no fault that could be the run's own: its host died, not its process.
ALTER TABLE run ADD COLUMN forgiven INTEGER NOT NULL DEFAULT 0;
