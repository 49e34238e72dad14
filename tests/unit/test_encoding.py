"""Print characters that the encoding of a stream lacks: they become ASCII, without `?` and without a crash."""

from __future__ import annotations

import subprocess
import sys

import pytest

_SAYS = """
from tcenv.cli.terminal import streams
import sys
streams.set_encoding()
for stream in (sys.stdout, sys.stderr):
    stream.write("“a” … · ✓ é 漢 \\ufffd")
"""


@pytest.mark.parametrize(("encoding", "accent"), [("cp437", "\x82"), ("ascii", "\\xe9"), ("latin-1", "\xe9")])
def test_missing_characters_become_ascii(encoding: str, accent: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _SAYS],
        capture_output=True,
        check=True,
        env={"PYTHONIOENCODING": encoding, "PATH": "/nonexistent"},
    )
    dot, check = {"cp437": ("\xfa", "ok"), "ascii": ("-", "ok"), "latin-1": ("\xb7", "ok")}[encoding]
    assert done.stdout.decode("latin-1") == f'"a" ... {dot} {check} {accent} \\u6f22 #'
    assert done.stderr == done.stdout


def test_a_message_survives_an_ascii_terminal() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tcenv", "login", "no-such-profile"],
        capture_output=True,
        env={"PYTHONIOENCODING": "ascii", "HOME": "/nonexistent", "PATH": "/nonexistent"},
    )
    assert done.returncode == 2, done.stderr
    assert b"?" not in done.stderr
    assert b"\\u" not in done.stderr
