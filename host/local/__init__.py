"""Providers for one process, on files and SQLite; they enter by plugin.py like any plugin's."""
