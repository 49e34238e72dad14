"""Measure all rows, print them, and write docs/performance.md with its plot (`make bench`). Exit with 1 if a row is over its
bound."""

from __future__ import annotations

import sys

from bench.floors import FLOORS
from bench.measure import Row
from bench.report import format_value, render_markdown, render_svg
from bench.rows import GROUPS
from bench.world import PROJECT, make_world


def main() -> int:
    """Run all groups, or those named on the command line, which writes no page."""
    wanted = sys.argv[1:]
    groups: list[tuple[str, list[Row]]] = []
    for title, measure in GROUPS:
        if wanted and title.lower() not in wanted:
            continue
        rows = []
        with make_world() as fresh:
            for row in measure(fresh):
                rows.append(row)
                if row.bound is not None and row.name not in FLOORS:
                    raise LookupError(f"bench/floors.py does not say what the floor of {row.name!r} is")
                bound = "" if row.bound is None else f"  (bound {row.bound:g}){'' if row.holds else '  OVER'}"
                print(f"{row.name:58} {format_value(row):>12}{bound}  {row.note}", flush=True)
        groups.append((title, rows))
    if not wanted:
        (PROJECT / "docs").mkdir(exist_ok=True)
        (PROJECT / "docs/performance.md").write_text(render_markdown(groups), encoding="utf-8")
        (PROJECT / "docs/performance.svg").write_text(render_svg(groups), encoding="utf-8")
    return 0 if all(row.holds or row.bound is None for _, rows in groups for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
