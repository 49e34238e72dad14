"""Read the fenced blocks of the pages, and write the programs that they call."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parent.parent.parent
# Follows the language of a block that is not run. The reason follows after a colon.
MARK = "not-run-here"
_FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```$", re.S | re.M)


@dataclass(frozen=True)
class Block:
    """A fenced block: its page, its first line there, its language, and the reason if it is not run."""

    page: str
    line: int
    language: str
    reason: str
    text: str

    @property
    def id(self) -> str:
        return f"{self.page}:{self.line}"


def list_pages() -> list[Path]:
    """Return the pages, README first."""
    return [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]


def read_blocks() -> list[Block]:
    """Return all blocks of all pages, in their order. Raises ValueError for a mark without a reason."""
    found = []
    for page in list_pages():
        content = page.read_text(encoding="utf-8")
        for fence in _FENCE.finditer(content):
            language, _, rest = fence["info"].strip().partition(" ")
            mark, _, reason = rest.partition(": ")
            if rest and (mark != MARK or not reason):
                raise ValueError(f"{page.name}: {fence['info']!r} is not 'LANGUAGE' or 'LANGUAGE {MARK}: REASON'")
            indent = len(fence["indent"])
            text = "".join(line[indent:] for line in fence["text"].splitlines(keepends=True))
            line = content.count("\n", 0, fence.start()) + 2
            found.append(Block(str(page.relative_to(PROJECT)), line, language, reason, text))
    return found


_PROGRAM = f"""#!{sys.executable}
import sys, taskcluster
print(sys.argv[0], len(taskcluster.Auth(taskcluster.optionsFromEnvironment()).currentScopes()["scopes"]), "scopes")
"""


def write_programs(folder: Path) -> None:
    """Write the programs that the pages call into `folder`, and those on the PATH into its `bin`. A stub of the `taskcluster`
    command makes the one call of the pages."""
    (folder / "bin").mkdir()
    for name in ("deploy.py", "agent.py", "job", "bin/taskcluster"):
        (folder / name).write_text(_PROGRAM)
        (folder / name).chmod(0o755)
