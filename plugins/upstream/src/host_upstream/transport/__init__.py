"""How requests reach the upstream, and what becomes of them when it is away."""
