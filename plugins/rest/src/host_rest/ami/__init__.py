"""SanteDB's administrative interface at /ami, for its admin page and its clients."""
