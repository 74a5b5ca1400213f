"""Live events: what happens to runs and jobs, pushed to whoever listens (server-sent events)."""
