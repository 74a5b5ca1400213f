"""Time-ordered ids and the integer form of instants."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_microseconds(instant: datetime) -> int:
    """Give an aware instant as whole microseconds since 1970-01-01T00:00:00Z."""
    return (instant - EPOCH) // _MICROSECOND


def from_microseconds(microseconds: int) -> datetime:
    """Give whole microseconds since 1970-01-01T00:00:00Z as an aware instant in UTC."""
    return EPOCH + timedelta(microseconds=microseconds)


def uuid7(instant_microseconds: int, random_bits: int) -> UUID:
    """Build a UUIDv7 (RFC 9562 §5.7) from an instant and 74 random bits.

    Ids sort by the instant in milliseconds; the 12 bits after it carry the fraction of the millisecond
    (RFC 9562 §6.2 method 3), the remaining 62 are random.
    """
    milliseconds, rest = divmod(instant_microseconds, 1000)
    fraction = rest * 4096 // 1000
    value = (milliseconds & ((1 << 48) - 1)) << 80 | 0x7 << 76 | fraction << 64
    return UUID(int=value | 0b10 << 62 | random_bits & ((1 << 62) - 1))
