"""Values: frozen data that every part of the host speaks; no I/O, no clock."""
