"""Pictures of a job's month: durations by day, outcomes on one bar, runs by hour of the week."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from math import ceil, log10

from markupsafe import Markup, escape

from host.model.runs import RunState
from host_panel.job_history import DayFigures, History, Outcomes
from host_panel.words import STATES, count, span

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_ORDER = (RunState.COMPLETED, RunState.FAILED, RunState.QUARANTINED, RunState.CANCELLED, RunState.SKIPPED)
_BAR, _THICK = 480, 12
_WIDE, _HIGH, _LEFT, _BELOW = 480, 132, 48, 18
_CELL, _GAP, _NAMES, _TOP = 17, 2, 34, 16
_SHADES = 4
_MILLISECOND = timedelta(milliseconds=1)


def outcome_bar(outcomes: Outcomes) -> Markup:
    """Draw what became of the runs of some days as one bar."""
    whole, x, parts = max(outcomes.runs, 1), 0.0, []
    for state in _ORDER:
        number = outcomes.by_state.get(state, 0)
        if not number:
            continue
        width = max(number / whole * _BAR, 2)
        tone, title = STATES[state].tone, f"{count(number)} {STATES[state].word.lower()}"
        place = f'x="{x:.1f}" width="{width:.1f}" height="{_THICK}"'
        parts.append(f'<rect class="fill {tone}" {place}><title>{title}</title></rect>')
        x += width
    told = ", ".join(
        f"{count(outcomes.by_state[each])} {STATES[each].word.lower()}" for each in _ORDER if each in outcomes.by_state
    )
    return _svg("outcomes", max(x, _BAR), _THICK, f"Last {outcomes.days} days: {told}", parts)


def trend(days: Sequence[DayFigures]) -> Markup:
    """Draw p50 and p95 of each day, by the logarithm: a day that took ten times as long is as far up everywhere."""
    known = [day for day in days if day.p95 is not None]
    if not known:
        return Markup()
    low, high = _decades(known)
    height = _scale(low, high)
    step = (_WIDE - _LEFT) / len(days)
    parts = [_line(height(10.0**power), span(timedelta(milliseconds=10.0**power))) for power in range(low, high + 1)]
    for name in ("p95", "p50"):
        lengths = [day.p95 if name == "p95" else day.p50 for day in days]
        points = [(_LEFT + step * (number + 0.5), length) for number, length in enumerate(lengths)]
        parts.append(_path(name, points, height))
    for number, day in enumerate(days):
        if day.p95 is not None:
            parts.append(_column(_LEFT + step * number, step, day))
    ends = ((0, "start"), (len(days) // 2, "middle"), (len(days) - 1, "end"))
    parts += [_day_name(_LEFT + step * (number + 0.5), days[number], anchor) for number, anchor in ends]
    last = known[-1]
    told = f"half of the runs took up to {span(last.p50)}, 95 of 100 up to {span(last.p95)}"
    told = f"Durations by day. On {last.day:%d %B} {told}"
    return _svg("trend", _WIDE, _HIGH, told, parts)


def heat_map(history: History) -> Markup:
    """Draw how many runs ended in each hour of the week; hours with failures are marked."""
    most = max((runs for day in history.hours for runs, _ in day), default=0)
    if not most:
        return Markup()
    parts = [f'<text x="{_NAMES + hour * _CELL}" y="11">{hour:02d}</text>' for hour in range(0, 24, 3)]
    for weekday, day in enumerate(history.hours):
        y = _TOP + weekday * _CELL
        parts.append(f'<text x="0" y="{y + 12}">{WEEKDAYS[weekday]}</text>')
        parts += [_heat_cell(weekday, hour, *cell, most) for hour, cell in enumerate(day)]
    busy = sorted(
        ((runs, weekday, hour) for weekday, day in enumerate(history.hours) for hour, (runs, _) in enumerate(day)),
        reverse=True,
    )
    told = ", ".join(f"{WEEKDAYS[weekday]} {hour:02d}:00 ({count(runs)})" for runs, weekday, hour in busy[:3] if runs)
    size = _NAMES + 24 * _CELL, _TOP + 7 * _CELL
    return _svg("heat", *size, f"Runs by hour of the week; most of them: {told}", parts)


def _heat_cell(weekday: int, hour: int, runs: int, failures: int, most: int) -> str:
    shade = ceil(runs / most * _SHADES) if runs else 0
    x, y, size = _NAMES + hour * _CELL, _TOP + weekday * _CELL, _CELL - _GAP
    failed = f", {count(failures)} failed" if failures else ""
    title = f"{WEEKDAYS[weekday]} {hour:02d}:00: {count(runs)} {'run' if runs == 1 else 'runs'}{failed}"
    mark = f'<circle class="fill red" cx="{x + size - 4}" cy="{y + 4}" r="3"/>' if failures else ""
    cell = f'<rect class="shade-{shade}" x="{x}" y="{y}" width="{size}" height="{size}" rx="2"/>'
    return f"<g><title>{title}</title>{cell}{mark}</g>"


def _decades(days: Sequence[DayFigures]) -> tuple[int, int]:
    lengths = [max((length or _MILLISECOND) / _MILLISECOND, 1) for day in days for length in (day.p50, day.p95)]
    low, high = int(log10(min(lengths))), ceil(log10(max(lengths)))
    return low, max(high, low + 1)


def _scale(low: int, high: int) -> Callable[[float], float]:
    room = _HIGH - _BELOW - 8

    def height(milliseconds: float) -> float:
        return round(8 + room * (1 - (log10(max(milliseconds, 1)) - low) / (high - low)), 1)

    return height


def _line(y: float, word: str) -> str:
    line = f'<line class="grid" x1="{_LEFT}" x2="{_WIDE}" y1="{y}" y2="{y}"/>'
    return f'{line}<text x="{_LEFT - 6}" y="{y + 4}" text-anchor="end">{word}</text>'


def _day_name(x: float, day: DayFigures, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{_HIGH - 4}" text-anchor="{anchor}">{day.day:%d %b}</text>'


def _path(name: str, points: Sequence[tuple[float, timedelta | None]], height: Callable[[float], float]) -> str:
    """Draw one line; days without runs interrupt it, and a day alone is a dot."""
    pieces: list[list[tuple[float, float]]] = [[]]
    for x, length in points:
        if length is None:
            pieces.append([])
        else:
            pieces[-1].append((round(x, 1), height(length / _MILLISECOND)))
    drawn = []
    for piece in filter(None, pieces):
        drawn += [f'<circle class="{name}" cx="{x}" cy="{y}" r="2"/>' for x, y in piece]
        drawn.append(f'<polyline class="{name}" points="{" ".join(f"{x},{y}" for x, y in piece)}"/>')
    return "".join(drawn)


def _column(x: float, width: float, day: DayFigures) -> str:
    runs = f"{count(day.runs)} {'run' if day.runs == 1 else 'runs'}, {count(day.failures)} failed"
    title = f"{day.day:%a %d %b}: p50 {span(day.p50)}, p95 {span(day.p95)}; {runs}"
    return (
        f'<rect class="reach" x="{x:.1f}" width="{width:.1f}" height="{_HIGH - _BELOW}"><title>{title}</title></rect>'
    )


def _svg(name: str, width: float, height: float, told: str, parts: Sequence[str]) -> Markup:
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    return Markup(f'<svg class="{name}" {size} role="img" aria-label="{escape(told)}">{"".join(parts)}</svg>')  # noqa: S704  # numbers and our own words
