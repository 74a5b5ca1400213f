"""The HTTP server: it lets requests in by rules, or not at all."""
