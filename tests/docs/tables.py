"""Render tables in Markdown, and replace the generated table of a page."""

from __future__ import annotations

from collections.abc import Sequence


def render_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [f"| {' | '.join(cells)} |" for cells in (head, *rows)]
    return "\n".join([lines[0], "|" + " --- |" * len(head), *lines[1:]])


def replace_table(page: str, module: str, table: str) -> str:
    """Return `page` with `table` between the two comments that name the module which makes it."""
    begin, end = f"<!-- table, made by python -m {module} -->", "<!-- end of the table -->"
    head, _, rest = page.partition(begin)
    return f"{head}{begin}\n{table}\n{end}{rest.partition(end)[2]}"
