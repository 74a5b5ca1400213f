"""A request that got no answer, and what may be done about it."""

from __future__ import annotations


class Fault(Exception):  # noqa: N818  # inside the link alone; callers see UpstreamUnavailableError
    """Why there is no answer, in words; ``hint`` says what to look at."""

    def __init__(
        self,
        reason: str,
        *,
        hint: str | None = None,
        is_unsent: bool = False,
        is_outage: bool = True,
        retry_after: float | None = None,
    ) -> None:
        """Take what is known.

        ``is_unsent``: the request never left, so that it may be sent again whatever it does. ``is_outage``: the
        upstream cannot answer now; else it does answer, but not what was agreed. ``retry_after``: the seconds it asks
        to be left alone for.
        """
        super().__init__(reason)
        self.reason = reason
        self.hint = hint
        self.is_unsent = is_unsent
        self.is_outage = is_outage
        self.retry_after = retry_after
