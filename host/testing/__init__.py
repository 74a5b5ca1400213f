"""What the host and plugin authors test with: a clock that moves by hand, a host in a test, contract suites."""
