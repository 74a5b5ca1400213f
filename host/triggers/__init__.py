"""When: pure functions from a schedule to its fire times."""
