"""Write the table and the plot of docs/performance.md."""

from __future__ import annotations

import platform
from html import escape

from bench.floors import FLOORS
from bench.measure import Row


def format_value(row: Row) -> str:
    """Return the figure as the table shows it."""
    if row.value is None:
        return "—"
    if row.unit == "×":
        return f"{row.value:.2f} ×"
    return f"{row.value:.0f} {row.unit}" if row.value >= 10 or row.value == 0 else f"{row.value:.1f} {row.unit}"


def render_markdown(groups: list[tuple[str, list[Row]]]) -> str:
    """Return the page."""
    lines = [
        "# Performance",
        "",
        "`make bench` writes this page. A ratio compares tcenv, after a plain `pip install`, with the bare interpreter of the",
        "same installation, or with what the row names. It is the median of alternating runs in one session.",
        "",
        f"Python {platform.python_version()}, {platform.system()} {platform.machine()}.",
        "",
        "Not measured: other systems, PowerShell, cmd, and the rows that say so.",
        "A cold start after a boot, with an empty disk cache, was not measured either.",
        "",
        "The last column gives the floor of a row in its own unit, and says what makes the difference.",
        "",
        "![Ratios against their bounds](performance.svg)",
        "",
    ]
    for title, rows in groups:
        lines += [
            f"## {title}",
            "",
            "| what | measured | bound | against | | floor |",
            "| --- | ---: | ---: | --- | --- | --- |",
        ]
        for row in rows:
            bound = "" if row.bound is None else format_value(Row("", row.bound, None, row.unit))
            verdict = "" if row.bound is None else "" if row.holds else "**over** "
            basis = row.basis if row.unit == "×" else ""
            lines.append(
                f"| {row.name} | {format_value(row)} | {bound} | {basis} | {verdict}{row.note} | {FLOORS.get(row.name, '')} |"
            )
        lines.append("")
    return "\n".join(lines)


# Larger ratios end here with an arrow, since a few imports would make all other bars short.
_LONGEST = 10.0
_LEFT, _WIDTH, _HEIGHT, _TOP = 360, 460, 26, 58
_COLOURS = {"holds": "#1d7f5f", "over": "#b3402f", "none": "#8a94a6"}
_LEGEND = (("holds", "within its bound"), ("over", "over its bound"), ("none", "without a bound"))


def render_svg(groups: list[tuple[str, list[Row]]]) -> str:
    """Draw each measured ratio as a bar: with an axis, a legend, and the bound as a line with its figure."""
    rows = [row for _, group in groups for row in group if row.unit == "×" and row.value is not None]
    bottom = _TOP + _HEIGHT * len(rows)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LEFT + _WIDTH + 90} {bottom + 34}" '
        'font-family="system-ui, DejaVu Sans, sans-serif" font-size="12" fill="#22252b">',
        '<rect width="100%" height="100%" fill="#fffefb"/>',
        *_draw_legend(),
        *_draw_axis(bottom),
    ]
    for number, row in enumerate(rows):
        parts += _draw_row(row, _TOP + number * _HEIGHT)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _draw_legend() -> list[str]:
    parts, left = [], 16
    for kind, text in _LEGEND:
        parts.append(f'<rect x="{left}" y="14" width="12" height="12" rx="2" fill="{_COLOURS[kind]}"/>')
        parts.append(f'<text x="{left + 18}" y="24">{text}</text>')
        left += 140
    parts.append(f'<line x1="{left}" x2="{left}" y1="12" y2="28" stroke="#22252b" stroke-width="2"/>')
    parts.append(f'<text x="{left + 8}" y="24">the bound, with its figure in brackets</text>')
    return parts


def _draw_axis(bottom: int) -> list[str]:
    ticks = [(tick, _place(tick)) for tick in range(0, int(_LONGEST) + 1, 2)]
    lines = [f'<line x1="{at}" x2="{at}" y1="{_TOP - 6}" y2="{bottom}" stroke="#e2ddd2"/>' for _, at in ticks]
    labels = [
        f'<text x="{at}" y="{y}" text-anchor="middle" fill="#62646f">{tick} ×</text>'
        for tick, at in ticks
        for y in (_TOP - 10, bottom + 16)
    ]
    title = (
        f'<text x="{_LEFT}" y="{bottom + 30}" fill="#62646f">times as long as the row that it is compared with</text>'
    )
    return [*lines, *labels, title]


def _draw_row(row: Row, top: int) -> list[str]:
    value = row.value or 0.0
    kind = "none" if row.bound is None else "holds" if row.holds else "over"
    end = _place(value)
    figure = (
        f"{value:.2f} ×" + ("" if row.bound is None else f" ({row.bound:.2f})") + (" →" if value > _LONGEST else "")
    )
    after = max(end, 0.0 if row.bound is None else _place(row.bound))
    parts = [
        f'<text x="{_LEFT - 8}" y="{top + 15}" text-anchor="end">{escape(row.name)}</text>',
        f'<rect x="{_LEFT}" y="{top + 5}" width="{end - _LEFT:.1f}" height="{_HEIGHT - 11}" rx="2" fill="{_COLOURS[kind]}"/>',
        f'<text x="{after + 6:.1f}" y="{top + 15}">{figure}</text>',
    ]
    if row.bound is not None:
        at = _place(row.bound)
        parts.append(
            f'<line x1="{at}" x2="{at}" y1="{top + 2}" y2="{top + _HEIGHT - 4}" stroke="#22252b" stroke-width="2"/>'
        )
    return parts


def _place(value: float) -> float:
    return round(_LEFT + min(value, _LONGEST) / _LONGEST * _WIDTH, 1)
