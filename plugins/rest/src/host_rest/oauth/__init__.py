"""The sign-in face at ``/auth``: OAuth2 as SanteDB's clients and standard ones speak it, and the first sign-in."""
