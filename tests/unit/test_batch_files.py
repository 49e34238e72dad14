"""Quote the arguments of a batch file on Windows, or refuse those that cmd would change."""

from __future__ import annotations

import pytest

from tcenv.shells.windows import NotQuotable, build_arguments

SYSTEM = {"SystemRoot": r"C:\Windows"}
START = r'"C:\Windows\System32\cmd.exe" /d /e:on /v:off /s /c '


def test_a_program_gets_its_arguments_as_a_list() -> None:
    assert build_arguments(r"C:\bin\x.exe", ["%PATH%", '"'], SYSTEM) == [r"C:\bin\x.exe", "%PATH%", '"']


@pytest.mark.parametrize("program", [r"C:\bin\x.bat", r"C:\bin\x.CMD", r"C:\bin\x.bat. ", r"C:\bin\x.cmd."])
def test_a_batch_file_gets_its_arguments_in_quotes(program: str) -> None:
    words = ["plain", "a b", "&calc", "^", "|", "<>", "(", "", "a;b,c=d", "dir\\ \\"]
    started = build_arguments(program, words, SYSTEM)
    shown = f'"{program}"' if " " in program else program
    assert started == f'{START}"{shown} plain "a b" "&calc" "^" "|" "<>" "(" "" "a;b,c=d" "dir\\ \\\\""'


@pytest.mark.parametrize("word", ["%PATH%", "100%", "!x!", 'a"b', "a\nb", "a\rb", "a\0b"])
def test_a_batch_file_is_refused_what_cmd_would_change(word: str) -> None:
    with pytest.raises(NotQuotable):
        build_arguments(r"C:\bin\x.bat", [word], SYSTEM)
    with pytest.raises(NotQuotable):
        build_arguments(rf"C:\{word}\x.bat", [], SYSTEM)
