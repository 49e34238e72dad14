"""Compare what the pages list with the code: keys, variables, exit statuses, errors and links."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import tcenv
from tcenv.config import config_file, profile, purposes
from tests.docs.blocks import PROJECT, list_pages

CONFIGURATION = (PROJECT / "docs/configuration.md").read_text()
_VARIABLE = re.compile(r"(?<![\w-])TCENV_[A-Z][A-Z_]*")
# Variables of tcenv's own demonstration.
_OWN = {"TCENV_DEMO_PYTHON", "TCENV_DEMO_FLAG"}


def read_rows(page: str, head: str) -> list[list[str]]:
    """Return the rows of the tables whose first line begins with `head`."""
    found = []
    for table in re.findall(rf"^{re.escape(head)}.*\n\|[ -:|]+\n((?:\|.*\n)+)", page, re.M):
        found += [[cell.strip() for cell in line[1:-1].split("|")] for line in table.splitlines()]
    return found


def test_the_page_lists_every_key_with_option_variable_and_default() -> None:
    rows = {row[0].strip("` |"): row for row in read_rows(CONFIGURATION, "| Key | Option | Variable")}
    assert rows.keys() == config_file.KEYS.keys()
    for key, (_, option, variable, default, _) in rows.items():
        assert variable.split("`")[1] == profile.VARIABLES[key]
        assert option.startswith(f"`--{'scope' if key == 'scopes' else key.replace('_', '-')}`")
        if key not in ("root_url", "name", "browser"):
            built_in = profile.DEFAULTS[key]
            written = '["*"]' if built_in == ("*",) else str(built_in).replace("False", "false")
            assert default.split("`")[1] == written
    at_the_top = {row[0].strip("` |") for row in read_rows(CONFIGURATION, "| Key | Variable | Meaning")}
    assert at_the_top == {"default", "store"}
    of_a_purpose = {row[0].strip("` |") for row in read_rows(CONFIGURATION, "| Key | Option of `tcenv purpose set`")}
    assert of_a_purpose == set(purposes.KEYS)
    for store in config_file.STORES:
        assert f"`{store}`" in CONFIGURATION


def test_the_page_lists_every_variable() -> None:
    named = set()
    for file in [*(PROJECT / "tcenv").rglob("*.py"), *(PROJECT / "shell").rglob("*")]:
        if file.is_file() and "generate" not in file.parts:
            named |= set(_VARIABLE.findall(file.read_text(encoding="utf-8")))
    listed = set(_VARIABLE.findall(CONFIGURATION))
    assert named - _OWN - listed == set()
    assert listed - named == set()


def test_the_page_lists_every_exit_status() -> None:
    listed = {row[0].strip("` |") for row in read_rows(CONFIGURATION, "| Status | Meaning")}
    kinds = [getattr(tcenv.errors, name) for name in dir(tcenv.errors)]
    coded = {str(kind.exit_code) for kind in kinds if isinstance(kind, type) and hasattr(kind, "exit_code")}
    assert coded <= listed
    from tcenv.cli.commands.scopes import UNKNOWN

    assert str(UNKNOWN) in listed


def test_every_error_on_the_python_page_exists() -> None:
    rows = read_rows((PROJECT / "docs/python.md").read_text(), "| error | when")
    assert len(rows) >= 5
    for row in rows:
        assert issubclass(getattr(tcenv.errors, row[0].strip("`| ")), tcenv.errors.TcenvError)


def test_the_errors_are_imported_lazily() -> None:
    program = "import sys, tcenv; assert 'tcenv.errors' not in sys.modules; print(tcenv.errors.NotSignedIn.exit_code)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("3\n", "")


@pytest.mark.parametrize("page", [*list_pages(), PROJECT / "CONTRIBUTING.md"], ids=lambda page: page.name)
def test_every_link_has_a_target(page: Path) -> None:
    content = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)
    links = re.findall(r"\]\(([^)#]+)(?:#[\w-]+)?\)", content)
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


def test_the_readme_links_every_page() -> None:
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    assert [page.name for page in list_pages()[1:] if f"(docs/{page.name})" not in readme] == []


def test_every_page_named_in_code_exists() -> None:
    there = {path.name for path in PROJECT.glob("**/*.md") if ".venv" not in path.parts and ".tools" not in path.parts}
    for folder in ("tcenv", "tests", "shell", "bench"):
        for file in (PROJECT / folder).rglob("*.py"):
            named = set(re.findall(r"\b(?:docs/)?([A-Z]{3,}\.md|(?<=docs/)[\w-]+\.md)\b", file.read_text()))
            assert named <= there, (file, named - there)
