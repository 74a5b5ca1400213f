"""Who may come in: accounts, their passwords and secrets, tokens and policies."""
