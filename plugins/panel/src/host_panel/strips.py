"""Small pictures of runs that stand in rows: the strip of the latest outcomes, and wait and duration on one bar."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from math import log10

from markupsafe import Markup, escape

from host.model.runs import JobRun
from host_panel import words

RUNS = 20
"""Bars of a strip."""
_PITCH, _BAR, _HEIGHT = 6, 5, 24
_LEAST = 5
"""Height of the shortest bar."""
_DECADES = 3
"""Orders of magnitude below the longest run of a strip that heights tell apart."""
_PAIR = 160
"""Width of a bar of wait and duration."""
_NONE = timedelta(0)
_MILLISECOND = timedelta(milliseconds=1)


def spark_strip(runs: Sequence[JobRun], *, url: Callable[[str], str], zone: str) -> Markup:
    """Draw the latest runs of a job, given newest first, as bars: oldest left, colour by outcome, height by duration.

    Each bar leads to its run; the strip is as wide whatever the number of runs. Empty without runs.
    """
    shown = list(runs[:RUNS])[::-1]
    if not shown:
        return Markup()
    longest = max(run.duration or _NONE for run in shown)
    first = RUNS - len(shown)
    bars = "".join(_bar(run, first + number, longest, url, zone) for number, run in enumerate(shown))
    size = f'width="{RUNS * _PITCH}" height="{_HEIGHT}" viewBox="0 0 {RUNS * _PITCH} {_HEIGHT}"'
    return Markup(f'<svg class="spark" {size} role="group" aria-label="{_summary(shown)}">{bars}</svg>')  # noqa: S704  # numbers and our own words


def duration_pair(
    wait: timedelta | None,
    took: timedelta | None,
    p50: timedelta | None = None,
    p95: timedelta | None = None,
    *,
    tone: str = "blue",
    scale: timedelta | None = None,
) -> Markup:
    """Draw how long a run waited (light) and took (solid) on one bar, with what its job usually takes as ticks.

    ``scale`` is the length of the whole bar, so that bars of a list compare; without it the bar holds what it shows.
    """
    waited, ran = max(wait or _NONE, _NONE), max(took or _NONE, _NONE)
    ticks = [(name, tick) for name, tick in (("p50", p50), ("p95", p95)) if tick is not None]
    whole = max(scale or max([waited + ran, *(waited + tick for _, tick in ticks)]), _MILLISECOND)

    def at(length: timedelta) -> float:
        return round(min(length / whole, 1) * _PAIR, 1)

    marks = "".join(
        f'<line class="tick {name}" x1="{at(waited + tick)}" x2="{at(waited + tick)}" y2="12"/>' for name, tick in ticks
    )
    parts = (
        f'<rect class="wait" y="4" width="{at(waited)}" height="4"/>'
        f'<rect class="fill" x="{at(waited)}" y="3" width="{max(at(waited + ran) - at(waited), 1)}" height="6"/>'
    )
    told = _pair_words(wait, took, ticks)
    size = f'width="{_PAIR}" height="12" viewBox="0 0 {_PAIR} 12"'
    return Markup(  # noqa: S704  # numbers and our own words
        f'<svg class="pair {tone}" {size} role="img" aria-label="{told}"><title>{told}</title>{parts}{marks}</svg>'
    )


def _bar(run: JobRun, number: int, longest: timedelta, url: Callable[[str], str], zone: str) -> str:
    state = words.STATES[run.state]
    height = _height(run.duration, longest)
    length = f", {words.span(run.duration)}" if run.duration is not None else ""
    title = f"{words.absolute(run.finished_at or run.created_at, zone)}: {state.word}{length}"
    x = number * _PITCH
    return (
        f'<a href="{escape(url(f"/runs/{run.id}"))}" tabindex="-1"><title>{escape(title)}</title>'
        f'<rect class="reach" x="{x}" width="{_PITCH}" height="{_HEIGHT}"/>'
        f'<rect class="{state.tone}" x="{x}" y="{_HEIGHT - height}" width="{_BAR}" height="{height}"/></a>'
    )


def _height(duration: timedelta | None, longest: timedelta) -> int:
    if duration is None or longest <= _NONE:
        return _LEAST
    below = log10(max(longest, _MILLISECOND) / max(duration, _MILLISECOND)) / _DECADES
    return round(_LEAST + (_HEIGHT - _LEAST) * max(0.0, 1 - below))


def _summary(shown: Sequence[JobRun]) -> str:
    numbers = Counter(words.STATES[run.state].word.lower() for run in shown)
    told = ", ".join(f"{number} {word}" for word, number in numbers.most_common())
    return f"The latest {len(shown)} runs: {told}" if len(shown) > 1 else f"The only run so far: {told}"


def _pair_words(wait: timedelta | None, took: timedelta | None, ticks: Sequence[tuple[str, timedelta]]) -> str:
    told = [f"{word} {words.span(length)}" for word, length in (("waited", wait), ("ran", took)) if length is not None]
    usual = [f"{words.span(tick)} ({name})" for name, tick in ticks]
    return "; ".join([", ".join(told) or "not started", *(["usually " + ", ".join(usual)] if usual else [])])
