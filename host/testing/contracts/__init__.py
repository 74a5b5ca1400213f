"""One conformance suite per contract; subclass it and supply the fixture."""
