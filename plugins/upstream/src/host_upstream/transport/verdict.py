"""Which answers are answers, and which say that there is none."""

from __future__ import annotations

from datetime import datetime
from email.utils import parsedate_to_datetime

from host.errors import HostUnavailableError
from host_upstream.link import UpstreamAnswer
from host_upstream.transport.fault import Fault
from host_upstream.transport.problems import error_in

LONGEST_WAIT = 3600.0
SHOWN = 200
"""Characters of an unexpected answer that an error quotes."""
_UNABLE = frozenset({429, 502, 503, 504})


def verdict(answer: UpstreamAnswer, now: datetime) -> Fault | None:
    """Give why this is no answer, or None for one."""
    if answer.status in _UNABLE:
        return _unable(answer, now)
    if answer.status < 500 or is_document(answer):
        return None
    return Fault(f"status {answer.status}, {quoted(answer)}", hint="look into the log of the upstream", is_outage=False)


def unexpected(answer: UpstreamAnswer, wanted: str) -> Fault | None:
    """Give why an answer of success cannot be what was asked for: a page for people where data was wanted."""
    if not answer.body or not 200 <= answer.status < 300 or wanted == "*/*":
        return None
    if is_expected_type(answer.headers.get("content-type", ""), wanted):
        return None
    return wrong_type(wanted, quoted(answer))


def is_expected_type(given: str, wanted: str) -> bool:
    """Say whether a media type can be what was asked for."""
    got = given.partition(";")[0].strip().lower()
    if got == wanted or (wanted == "application/json" and got.endswith("+json")):
        return True
    return wanted not in ("application/json", "text/event-stream") and got != "text/html"


def wrong_type(wanted: str, shown: str) -> Fault:
    """Say that something else was sent."""
    hint = "is that the upstream's address? check the realm's domain, port and tls, and pathPrefix"
    return Fault(f"expected {wanted}, it sent {shown}", hint=hint, is_outage=False)


def is_document(answer: UpstreamAnswer) -> bool:
    """Say whether an answer is in JSON or XML, as its media type says."""
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    return bool(answer.body) and kind.endswith(("/json", "+json", "/xml", "+xml"))


def is_refused_token(answer: UpstreamAnswer) -> bool:
    """Say whether it is the token that is refused, and not what its bearer wants (RFC 6750 §3.1; SanteDB: Elevate)."""
    return answer.status == 401 and "insufficient_scope" not in answer.headers.get("www-authenticate", "")


def retry_after(text: str | None, now: datetime) -> float | None:
    """Read ``Retry-After``: seconds, or an instant (RFC 9110 §10.2.3); None for what is neither."""
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), LONGEST_WAIT)
    try:
        at = parsedate_to_datetime(text)
        return min(max(0.0, (at - now).total_seconds()), LONGEST_WAIT)
    except (TypeError, ValueError):  # no date, or one without a zone
        return None


def quoted(answer: UpstreamAnswer) -> str:
    """Give an answer's media type and beginning."""
    kind = answer.headers.get("content-type", "").partition(";")[0].strip() or "no media type"
    text = " ".join(answer.body[: 2 * SHOWN].decode("utf-8", "replace").split())[:SHOWN]
    return f"{kind}: {text!r}" if text else f"{kind}, empty"


def _unable(answer: UpstreamAnswer, now: datetime) -> Fault | None:
    told = error_in(answer)
    if told is not None and answer.status == 503 and not isinstance(told, HostUnavailableError):
        return None
    said = told.message if told is not None else quoted(answer)
    wait = retry_after(answer.headers.get("retry-after"), now)
    hint = f"it asks to be left alone for {wait:g} s" if wait else None
    return Fault(f"status {answer.status}, {said}", hint=hint, retry_after=wait)
