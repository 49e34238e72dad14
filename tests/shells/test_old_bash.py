"""macOS has bash 3.2, which no registry offers. A small linter finds words of later versions in the texts for bash."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXTS = ("shell/init.bash", "shell/direnv.sh", "shell/subshell/rc.bash", "completions/tcenv.bash")
# A pattern for each feature, with the version that has brought it.
LATER = {
    "associative arrays (4.0)": r"\b(?:declare|local|typeset)\s+-[a-z]*A",
    "mapfile (4.0)": r"\b(?:mapfile|readarray)\b",
    "coproc (4.0)": r"\bcoproc\b",
    "changes of case (4.0)": r"\$\{\w+(?:\[[^]]*\])?(?:\^|,)",
    "|& and &>> (4.0)": r"\|&|&>>",
    ";& and ;;& (4.0)": r";&|;;&",
    "options of read (4.0)": r"\bread\b[^#\n]*\s-[a-z]*[iN]\b",
    "globstar, autocd, lastpipe and others (4.0 and later)": (
        r"\bshopt\s+-[a-z]+\s+(?:globstar|autocd|lastpipe|dirspell|checkjobs|inherit_errexit|localvar_\w+|globasciiranges)"
    ),
    "BASHPID (4.0)": r"\bBASHPID\b",
    "compopt (4.0)": r"\bcompopt\b",
    "descriptors by name (4.1)": r"(?:exec\s+|\s)\{\w+\}[<>]",
    "BASH_XTRACEFD (4.1)": r"\bBASH_XTRACEFD\b",
    "declare -g (4.2)": r"\b(?:declare|typeset)\s+-[a-zA-Z]*g",
    "tests of variables (4.2)": r"(?:\[\[|\btest)\s+(?:!\s+)?-[vR]\s",
    "the time by printf (4.2)": r"%\([^)]*\)T",
    "escapes of Unicode (4.2)": r"\$'[^']*\\[uU]",
    "counting from the end (4.2)": r"\$\{\w+\[-\d+\]|\$\{\w+:\d+:-\d",
    "references (4.3)": r"\b(?:declare|local|typeset)\s+-[a-z]*n\b",
    "wait -n (4.3)": r"\bwait\s+-n",
    "transformations (4.4)": r"\$\{\w+(?:\[[^]]*\])?@\w\}",
    "local - (4.4)": r"\blocal\s+-(?:\s|$|;)",
    "EPOCHSECONDS and SRANDOM (5.0 and later)": r"\bEPOCH(?:SECONDS|REALTIME)\b|\bSRANDOM\b",
    "substitution without a process (5.3)": r"\$\{[ |]",
}
# Lines that do no harm in an older bash.
GUARDED = (
    "\\builtin local - || \\builtin :",
    "local - || :",
    "__tcenv_now=${EPOCHSECONDS-}",
    "\\builtin printf -v __tcenv_now '%(%s)T' -1 2>/dev/null || __tcenv_now=0",
    "printf -v now '%(%s)T' -1 2>/dev/null && [[",
    "compopt -o filenames 2>/dev/null",
    "compopt -o nospace 2>/dev/null",
)


def find_later_features(text: str) -> list[str]:
    """Return the lines of `text` that bash 3.2 does not understand, each with its reason."""
    found = []
    for line in text.splitlines():
        code = "" if line.lstrip().startswith("#") else line
        for guarded in GUARDED:
            code = code.replace(guarded, "")
        found += [f"{what}: {line.strip()}" for what, pattern in LATER.items() if re.search(pattern, code)]
    return found


@pytest.mark.parametrize("path", TEXTS)
def test_each_text_is_for_bash_3_2(path: str) -> None:
    assert find_later_features((ROOT / path).read_text()) == []


@pytest.mark.parametrize(
    "line",
    [
        "mapfile -t COMPREPLY < <(compgen -c)",
        "local -A seen",
        "  local -",
        "exec {fd}<file",
        "echo ${x^^}",
        "declare -g y=1",
        "[[ -v x ]]",
        "echo ${x[-1]}",
        "printf '%(%s)T'",
        "echo $EPOCHSECONDS",
    ],
)
def test_the_linter_finds_later_features(line: str) -> None:
    assert find_later_features(line)
