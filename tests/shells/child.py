"""Write the environment of a shell's child to a file, and read it. The child is perl, which starts five times as fast as
Python."""

from __future__ import annotations

from pathlib import Path

from tests.programs import require

_DUMP = """open my $file, '>:raw', $ARGV[0] or die;
print $file map { "$_=$ENV{$_}\\0" } keys %ENV;
"""


def make_dump(path: Path, folder: Path) -> str:
    """Return a command that writes its environment to `path`. Its program is in `folder`."""
    program = folder / "dump.pl"
    program.write_text(_DUMP)
    return f"{require('perl')} {program} {path}"


def environment_after(path: Path) -> dict[str, str]:
    """Return what the command wrote."""
    entries = path.read_bytes().decode(errors="surrogateescape").split("\0")
    return dict(entry.partition("=")[::2] for entry in entries if entry)
