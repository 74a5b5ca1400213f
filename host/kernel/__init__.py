"""Booting: from a configuration file to a running host."""

from host.kernel.without import without

with without("rich"):
    # It wants that for coloured tracebacks, which nobody uses here: 0.1 seconds and 4 MB of every host.
    import structlog  # noqa: F401  # imported here for being first
