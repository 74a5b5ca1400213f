"""The chart of throughput: how many runs ended how, step by step, as SVG."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape

from host.faces.throughput import Span, Step
from host.model.runs import RunState

HEIGHT = 140
_BASE = 120
"""Where the bars stand; below are the words of the axis."""
_TOP = 8
_LEAST = 2
"""Height of what there was hardly any of: one failure among thousands is seen."""
_LABEL_EVERY: Mapping[Span, timedelta] = {
    Span.HOUR: timedelta(minutes=10),
    Span.DAY: timedelta(hours=4),
    Span.WEEK: timedelta(days=1),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """One layer of the bars."""

    word: str
    mark: str
    tone: str
    states: tuple[RunState, ...]


OUTCOMES = (
    Outcome("Failed", "✕", "red", (RunState.FAILED, RunState.QUARANTINED)),
    Outcome("Cancelled", "⊘", "amber", (RunState.CANCELLED,)),
    Outcome("Skipped", "↷", "grey", (RunState.SKIPPED,)),
    Outcome("Completed", "✓", "green", (RunState.COMPLETED,)),
)
"""From the bottom up: what matters most stands on the axis, where it compares."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThroughputRow:
    """One step in words, for the table beside the chart."""

    label: str
    counts: tuple[int, ...]
    """By ``OUTCOMES``."""
    query: str
    """Of the list of runs, about these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThroughputChart:
    """A chart, its legend and its table."""

    svg: Markup
    most: int
    """What the highest line of the axis stands for."""
    totals: tuple[int, ...]
    """By ``OUTCOMES``."""
    rows: tuple[ThroughputRow, ...]
    """Newest first, only those that had any."""
    counted: int
    """Steps counted so far."""
    steps: int

    @property
    def is_complete(self) -> bool:
        """Say whether all steps are counted."""
        return self.counted == self.steps


def throughput_chart(steps: Sequence[Step], span: Span, *, zone: str, url: Callable[[str], str]) -> ThroughputChart:
    """Draw the steps of a span, oldest left."""
    rows = [_row(step, span, zone) for step in steps]
    most = nice_above(max((sum(row.counts) for row in rows), default=0))
    pitch = 100 / max(1, len(steps))
    bars = "".join(_bar(row, number, pitch, most, url) for number, row in enumerate(rows) if any(row.counts))
    totals = tuple(sum(row.counts[layer] for row in rows) for layer in range(len(OUTCOMES)))
    told = ", ".join(f"{total} {outcome.word.lower()}" for outcome, total in zip(OUTCOMES, totals, strict=True))
    parts = _lines() + bars + _labels(steps, span, pitch, zone)
    return ThroughputChart(
        svg=Markup(  # noqa: S704  # numbers and our own words
            f'<svg class="throughput" width="100%" height="{HEIGHT}" role="group" aria-label="Runs ended: {told}">'
            f"{parts}</svg>"
        ),
        most=most,
        totals=totals,
        rows=tuple(row for row in reversed(rows) if any(row.counts)),
        counted=sum(step.by_state is not None for step in steps),
        steps=len(steps),
    )


def nice_above(number: int) -> int:
    """Give the least even number not below that is easy to halve in one's head: 2, 4, 10, 20, 40, 100 …"""
    size = 1
    while True:
        for factor in (2, 4, 10):
            if factor * size >= number:
                return factor * size
        size *= 10


def _row(step: Step, span: Span, zone: str) -> ThroughputRow:
    by_state = step.by_state or {}
    end = step.since + span.step
    first, last = (instant.astimezone(ZoneInfo(zone)) for instant in (step.since, end))
    return ThroughputRow(
        label=f"{first:%Y-%m-%d %H:%M} to {last:%H:%M}",
        counts=tuple(sum(by_state.get(state, 0) for state in outcome.states) for outcome in OUTCOMES),
        query=f"since={first:%Y-%m-%dT%H:%M}&until={last:%Y-%m-%dT%H:%M}",
    )


def _bar(row: ThroughputRow, number: int, pitch: float, most: int, url: Callable[[str], str]) -> str:
    told = ", ".join(
        f"{count} {outcome.word.lower()}" for outcome, count in zip(OUTCOMES, row.counts, strict=True) if count
    )
    title = f"{row.label}: {told}"
    x, width = f"{number * pitch:.3f}%", f"{pitch * 0.8:.3f}%"
    layers, top = [], float(_BASE)
    for outcome, count in zip(OUTCOMES, row.counts, strict=True):
        if count:
            height = max(_LEAST, count / most * (_BASE - _TOP))
            top -= height
            layers.append(f'<rect class="{outcome.tone}" x="{x}" width="{width}" y="{top:.1f}" height="{height:.1f}"/>')
    link = escape(url(f"/runs?{row.query}"))
    reach = f'<rect class="reach" x="{x}" width="{pitch:.3f}%" y="{_TOP}" height="{_BASE - _TOP}"/>'
    return f'<a href="{link}" tabindex="-1" aria-label="{title}"><title>{title}</title>{reach}{"".join(layers)}</a>'


def _lines() -> str:
    heights = (_TOP, (_TOP + _BASE) / 2, _BASE)
    return "".join(f'<line class="grid" x1="0" x2="100%" y1="{y:g}" y2="{y:g}"/>' for y in heights)


def _labels(steps: Sequence[Step], span: Span, pitch: float, zone: str) -> str:
    every = _LABEL_EVERY[span]
    found = []
    for number, step in enumerate(steps):
        local = step.since.astimezone(ZoneInfo(zone))
        since_midnight = timedelta(hours=local.hour, minutes=local.minute)
        if since_midnight % every < span.step and 1 < number < len(steps) - 2:
            x = f"{number * pitch:.3f}%"
            found.append(f'<text x="{x}" y="{HEIGHT - 4}" text-anchor="middle">{_label(local, span)}</text>')
    return "".join(found)


def _label(local: datetime, span: Span) -> str:
    return f"{local:%a %d}" if span is Span.WEEK else f"{local:%H:%M}"


def outcome_links() -> Sequence[tuple[Outcome, str]]:
    """Give the layers of the chart, each with the query that lists its runs."""
    return [(outcome, "&".join(f"state={state}" for state in outcome.states)) for outcome in OUTCOMES]
