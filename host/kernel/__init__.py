"""Booting: configuration, catalogue, container, lifecycle."""
