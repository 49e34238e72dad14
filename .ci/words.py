"""Copy the sentences of the code that people read into text files for a prose linter.

`words.py FOLDER` writes one file for each file of tcenv/ and shell/ that holds help texts, messages or hints. A sentence
stands on the line that it has in the code, so that a finding names the right line."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Two words that take the place of the program's values. With one, the linter would find repeated words.
_VALUES = ("ALPHA", "BETA")
_SENTENCE = re.compile(r"[A-Za-z’']+,? [a-z’']+ [a-z’']+")
_QUOTED = re.compile(r"'([^'\n]*)'|\"((?:[^\"\\\n]|\\.)*)\"")
# Generated files, whose literals are read where they are declared.
_GENERATED = ("help_texts", "tables.py")


def find_python_sentences(source: str) -> Iterator[tuple[int, str]]:
    """Yield each literal that is prose, with its line. Skip docstrings, except those of `Options`, which are help texts."""
    tree = ast.parse(source)
    docstrings = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and getattr(node, "name", "") != "Options":
                docstrings.add(first.value)
    inner = {part for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)} - {
        node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)
    }
    for node in ast.walk(tree):
        if node in docstrings or node in inner:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text, examples, _ = node.value.partition("Examples:")
            # Longer texts are shell code, style sheets or templates.
            if examples or text.count("\n") < 4:
                yield node.lineno, text
        elif isinstance(node, ast.JoinedStr):
            yield node.lineno, _fill_in(node)


def _fill_in(node: ast.JoinedStr) -> str:
    names = cycle(_VALUES)
    return "".join(str(part.value) if isinstance(part, ast.Constant) else next(names) for part in node.values)


def find_shell_sentences(source: str) -> Iterator[tuple[int, str]]:
    """Yield each quoted text of a shell's code, with its line."""
    for number, line in enumerate(source.splitlines(), 1):
        if not line.lstrip().startswith("#"):
            for match in _QUOTED.finditer(line):
                yield number, match[1] or match[2] or ""


def make_page(source: str, is_python: bool) -> str:
    """Return the sentences of a file, each on its line, or an empty text."""
    lines: dict[int, str] = {}
    for number, text in find_python_sentences(source) if is_python else find_shell_sentences(source):
        flat = " ".join(text.split())
        if _SENTENCE.search(flat) and not re.search(r"\\[bsdw]|\(\?|<\w+", flat):
            lines[number] = f"{lines[number]}. {flat}" if number in lines else flat
    return "".join(lines.get(number, "") + "\n" for number in range(1, max(lines, default=0) + 1))


def main(folder: Path) -> int:
    """Write the files below `folder`."""
    for path in sorted([*ROOT.glob("tcenv/**/*.py"), *ROOT.glob("shell/*.*"), *ROOT.glob("tcenv/sandbox/page.js")]):
        if any(part in _GENERATED for part in path.parts):
            continue
        if text := make_page(path.read_text(encoding="utf-8"), path.suffix == ".py"):
            copy = folder / f"{path.relative_to(ROOT)}.txt"
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
