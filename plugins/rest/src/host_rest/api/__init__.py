"""Our REST API: jobs, schedules, runs and the host, as JSON."""
