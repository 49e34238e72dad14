"""The table and the plot of docs/performance.md."""

from __future__ import annotations

import platform
from html import escape

from bench.floors import FLOORS
from bench.measure import Row


def shown(row: Row) -> str:
    """The figure as it stands in the table."""
    if row.value is None:
        return "—"
    if row.unit == "×":
        return f"{row.value:.2f} ×"
    return f"{row.value:.0f} {row.unit}" if row.value >= 10 or row.value == 0 else f"{row.value:.1f} {row.unit}"


def markdown(groups: list[tuple[str, list[Row]]]) -> str:
    """The page."""
    lines = [
        "# Performance",
        "",
        "Made by `make bench`; not edited by hand. Ratios are medians of alternating runs in one session, of tcenv as a plain",
        "`pip install` leaves it, against the bare interpreter of the same installation (or what the row names).",
        "",
        f"Python {platform.python_version()}, {platform.system()} {platform.machine()}.",
        "",
        "Not measured: other systems than this one, PowerShell and cmd, and what a row says so of.",
        "A cold start after a boot, with nothing of it in the disk cache, is not measured either.",
        "",
        "The last column says what a row cannot go below, in the row's own unit, and what stands between that and the figure.",
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
            bound = "" if row.bound is None else shown(Row("", row.bound, None, row.unit))
            verdict = "" if row.bound is None else "" if row.holds else "**over** "
            basis = row.basis if row.unit == "×" else ""
            lines.append(
                f"| {row.name} | {shown(row)} | {bound} | {basis} | {verdict}{row.note} | {FLOORS.get(row.name, '')} |"
            )
        lines.append("")
    return "\n".join(lines)


def svg(groups: list[tuple[str, list[Row]]]) -> str:
    """Bars of each measured ratio, with a line at its bound."""
    rows = [row for _, group in groups for row in group if row.unit == "×" and row.value is not None]
    widest = max(max(row.value or 0, row.bound or 0) for row in rows) * 1.08
    left, width, height = 330, 420, 24
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 70} {height * len(rows) + 20}" '
        'font-family="system-ui, DejaVu Sans, sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="#fffefb"/>',
    ]
    for number, row in enumerate(rows):
        top = 10 + number * height
        value = row.value or 0.0
        fill = "#8a94a6" if row.bound is None else "#1d7f5f" if row.holds else "#b3402f"
        long = value / widest * width
        parts.append(f'<text x="{left - 8}" y="{top + 14}" text-anchor="end" fill="#22252b">{escape(row.name)}</text>')
        parts.append(f'<rect x="{left}" y="{top + 4}" width="{long:.1f}" height="{height - 10}" rx="2" fill="{fill}"/>')
        parts.append(f'<text x="{left + long + 6:.1f}" y="{top + 14}" fill="#22252b">{value:.2f} ×</text>')
        if row.bound is not None:
            at = left + row.bound / widest * width
            parts.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{top}" y2="{top + height - 3}" stroke="#22252b"/>')
    return "\n".join([*parts, "</svg>"]) + "\n"
