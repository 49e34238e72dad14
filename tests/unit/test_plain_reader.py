"""Compare the readers of command lines: the plain one and the hot path's must read as the full one does."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tcenv import hotpath
from tcenv.cli.parsing import app, plain_reader
from tcenv.cli.parsing.tables import COMMANDS
from tcenv.config import live_session, profile
from tcenv.config.profile import Overrides
from tcenv.errors import UsageError

_TEXTS = st.sampled_from(
    ["", "0", "1", "a", "a:b", "work", "-", "--", "-x", "=", "a=b", "é", " ", "queue:*", "*", "1d"]
)
_NUMBERS = st.sampled_from(["0", "00", "80", "65535", "-1", "+1", "1_0", " 1", "x", "", "٣", "99999999999999999999"])
_VALUES = st.sampled_from(
    ["1s", "0s", "05m", "15m", "1000d", "9h", "d", "auto", "new", "yes", "YES", "no", "65535", "tcenv-x"]
)


@st.composite
def command_lines(draw: st.DrawFn) -> list[str]:
    """Draw a command with options that it declares, in any order and form, some with invalid values."""
    name = draw(st.sampled_from(sorted(COMMANDS)))
    _, kind_of_argument, options = COMMANDS[name]
    words: list[str] = []
    for option in draw(st.lists(st.sampled_from(sorted(options)), max_size=4)) if options else ():
        kind = options[option][1]
        value = draw(_NUMBERS if kind == "number" else _TEXTS)
        form = draw(st.sampled_from(["apart", "joined", "bare"])) if kind != "flag" else "bare"
        words += {"apart": [option, value], "joined": [f"{option}={value}"], "bare": [option]}[form]
        if draw(st.booleans()) and draw(st.booleans()):
            words.append(draw(_TEXTS))
    if kind_of_argument in ("?", "!", "+") and draw(st.booleans()):
        words.insert(draw(st.integers(0, len(words))), draw(_TEXTS))
    if kind_of_argument == "--":
        words += ["--", *draw(st.lists(_TEXTS, max_size=3))]
    return [*name.split(), *words]


class Recorder:
    """Stands in for the commands, and records their calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []

    def action(self, words: str) -> Any:
        def run(options: Any) -> int:
            self.calls.append((words, options))
            return 0

        return run


def read_in_full(words: list[str]) -> tuple[str, Any] | None:
    """Return what the full command line reads, or None if it refuses the words."""
    recorder = Recorder()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stderr(io.StringIO()):
        patch.setattr(plain_reader, "load_action", recorder.action)
        try:
            app.build()(words, prog_name="tcenv", standalone_mode=False)
        except SystemExit:
            pass
        except Exception as failure:
            if not hasattr(failure, "format_message") and not isinstance(failure, UsageError):
                raise
            return None
    return recorder.calls[0] if recorder.calls else None


@settings(max_examples=400, suppress_health_check=list(HealthCheck))
@given(command_lines())
@example(["signin", "--check", "-n="])
@example(["login", "-n=a"])
@example(["login", "-na=b"])
def test_the_plain_reader_agrees_with_the_full_command_line(words: list[str]) -> None:
    found = plain_reader.find(words)
    assert found is not None
    name, count = found
    plain = plain_reader.read(words[count:], COMMANDS[name])
    # Only the plain reader reads a complete `exec` or `ssh`.
    if plain is not None and name not in ("exec", "ssh"):
        assert read_in_full(words) == (name, plain_reader.load_options_class(name)(**plain))


@settings(max_examples=200, suppress_health_check=list(HealthCheck))
@given(command_lines())
def test_the_hot_path_agrees_with_the_full_command_line(words: list[str]) -> None:
    takes = {"login": hotpath._LOGIN, "env": hotpath._ENV}.get(words[0])
    if takes is None:
        return
    try:
        options = hotpath._parse(words[1:], takes)
    except hotpath.HandOver:  # type: ignore[attr-defined]
        return
    values = {"profile": options.profile, "shell": options.shell, "scopes": tuple(options.scopes)}
    values |= {"purpose": options.purpose, "duration": options.term} if words[0] == "env" else {}
    assert read_in_full(words) == (words[0], plain_reader.load_options_class(words[0])(**values))


@settings(max_examples=300, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(live_session._CHECKED), st.one_of(_TEXTS, _NUMBERS, st.text(min_size=1, max_size=8), _VALUES))
def test_a_variable_that_the_hot_path_accepts_is_valid(variable: str, value: str) -> None:
    if "\0" in value or not value or not live_session._is_plain(variable, value):
        return
    with pytest.MonkeyPatch.context() as patch:
        with contextlib.suppress(UnicodeEncodeError):
            patch.setenv(variable, value)
        profile.resolve("https://tc.example.com")
        profile.read_flag("TCENV_RETRY")


@pytest.mark.parametrize(
    "words", [["profile", "set", "x", "--port", "0"], ["login", "--port=0"], ["login", "--port", "0"]]
)
def test_a_port_of_zero_is_a_value(words: list[str]) -> None:
    read = read_in_full(words)
    assert read is not None
    assert read[1].port == 0 and Overrides.from_options(read[1]).get_given() == {"port": 0}
