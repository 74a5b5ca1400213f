"""A SanteDB server as the upstream: jobs, schedules and the latest runs over its AMI, in XML."""
