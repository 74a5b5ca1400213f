"""SanteDB's words, once: type names, schedule XML and their meaning here."""
