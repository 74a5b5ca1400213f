"""Idempotency keys of our own making: what lets a submission be sent again when nobody knows whether it was heard."""

from __future__ import annotations

from uuid import uuid4


def new_key() -> str:
    """Give a key that nobody else has."""
    return f"jobhost-{uuid4().hex}"
