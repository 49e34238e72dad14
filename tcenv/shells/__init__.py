"""The registry of shells, and their base class `Shell`. One file of this package holds all knowledge of one shell.

The hot path imports this module and the file of the shell in use, so keep both cheap to import. Shells know variables
but no sessions."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Name (also of the module) -> the other names that options accept, and the programs that detection takes for this
# shell. Detection reads the programs here because importing every shell would cost too much.
_REGISTRY = {
    "bash": ("", "bash rbash"),
    "zsh": ("", "zsh rzsh"),
    "sh": ("dash ash busybox posix", "sh dash ash posh"),
    "ksh": ("ksh93", "ksh ksh93 ksh2020"),
    "mksh": ("", "mksh lksh oksh pdksh"),
    "yash": ("", "yash"),
    "fish": ("", "fish"),
    "tcsh": ("csh", "tcsh csh bsd-csh"),
    "elvish": ("", "elvish"),
    "nu": ("nushell", "nu nushell"),
    "xonsh": ("", "xonsh"),
    "powershell": ("pwsh", "powershell pwsh pwsh-preview"),
    # Only on Windows is a program called cmd a shell. There, detection goes by the names.
    "cmd": ("", ""),
}
SHELLS = tuple(_REGISTRY)
ALIASES = {alias: name for name, (aliases, _) in _REGISTRY.items() for alias in aliases.split()}
PROGRAMS = {program: name for name, (_, programs) in _REGISTRY.items() for program in programs.split()}

# The characters that every shell takes literally in a word.
PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:+@")
# The commands whose output a shell evaluates.
EVALUATED = ("login", "signin", "env", "logout")
_ESCAPED = {'"': '\\"', "\\": "\\\\"}


class Unrepresentable(ValueError):
    """A shell cannot carry the value, such as a newline in cmd. The text names the kind of value, never the value."""


class Shell:
    """A shell that tcenv supports. A subclass in the shell's own module overrides the defaults that do not fit."""

    name: str
    # The line by which a user evaluates the output of `tcenv {}`.
    eval_line = 'eval "$(tcenv {})"'
    # The line by which a user makes the shell read the statements in a file.
    source_line = ". {}"
    # The executables of the shell in the order in which `tcenv shell` looks for them. None: only the shell's name.
    executables: tuple[str, ...] | None = None
    # The oldest version that tcenv supports, if the start-up text can tell: in an older shell it prints a line.
    minimum_version = ""
    # The start-up text in `shell/`; None for a shell without start-up files.
    template: str | None = None
    # The completion in `completions/`. `tcenv.cli.parsing.generate` writes it with the module of the shell's name.
    completion: str | None = None
    # The line in the template that names its function's completer, if the completion has one.
    completer = ""
    # The text that `tcenv init` prints instead of the template, if the shell can only evaluate a line that sources it.
    sourcing_line: str | None = None
    # Whether lines after the one of `tcenv init` in a start-up file can remove the prompt hook.
    line_comes_last = False
    # The file beside the start-up file that holds the start-up text, for a shell that evaluates no text at run time.
    saved_text: str | None = None

    def quote(self, text: str) -> str:
        """Quote one value for the shell. Raises Unrepresentable."""
        raise NotImplementedError

    def quote_word(self, word: str) -> str:
        """Write one word of a command line. Leave a word unquoted if every shell takes it literally."""
        if word and not set(word) - PLAIN:
            return word
        try:
            return self.quote(word)
        except Unrepresentable:
            return f'"{word}"'

    def make_reading_line(self, path: str) -> str:
        """Return the line by which the shell reads the statements in the file `path`."""
        return self.source_line.format(self.quote_word(path))

    def export(self, change: Mapping[str, str | None]) -> str:
        """Return the statements that set each variable of `change`, or unset it if its value is None, in order.
        Raises Unrepresentable."""
        raise NotImplementedError

    def export_for_subshell(self, change: Mapping[str, str | None]) -> str:
        """Return the text from which the file that `subshell` names loads the session."""
        return self.export(change)

    def make_failure(self) -> str:
        """Return a statement that makes the evaluation fail and changes nothing."""
        raise NotImplementedError

    def guard(self, text: str, environ: Mapping[str, str]) -> str:
        """Return the start-up `text` as any version of the shell can read it, under any of its options. Most templates
        need no change for that. `environ` is the environment of the shell that asks for the text."""
        return text

    def explain_too_old(self) -> str:
        """Return what the start-up text says in a shell older than `lowest`."""
        return f"tcenv: {self.name} older than {self.minimum_version} is not supported"

    def make_word_list(self, words: Sequence[str]) -> str:
        """Write plain words as the template lists them."""
        return " ".join(words)

    def make_pattern(self, words: Sequence[str]) -> str:
        """Write plain words as the template compares another word with them."""
        return self.make_word_list(words)

    def make_startup_line(self, path: str, words: str, home: str) -> str:
        """Return the line for a start-up file that evaluates the output of `path words` if the program `path` exists.
        For a shell with a saved text, `path` is the file with that text. Raises UsageError if tcenv edits no start-up
        file of this shell."""
        from tcenv.errors import UsageError

        raise UsageError(
            f"tcenv does not edit the start-up file of {self.name}.",
            f"Add the line yourself: {self.eval_line.format(words)}",
        )

    def find_startup_file(self, environ: Mapping[str, str], home: str) -> str:
        """Return the path of the user's start-up file. Raises UsageError if there is none."""
        from tcenv.errors import Hint, UsageError

        raise UsageError(
            f"{self.name} has no start-up file that tcenv could find.",
            Hint("Add the text where you want it:", ("tcenv", "init", "SHELL")),
        )

    def list_startup_files(self, environ: Mapping[str, str], home: str) -> list[str]:
        """Return every path that may be the user's start-up file under any environment."""
        from contextlib import suppress

        from tcenv.errors import UsageError

        plain = {"HOME": home, "PATH": environ.get("PATH", os.defpath)}
        found: list[str] = []
        for variables in (environ, plain):
            with suppress(UsageError):
                found.append(self.find_startup_file(variables, home))
        return found

    def explain_unread(self, path: str, home: str) -> tuple[str, str] | None:
        """Return why some shells do not read the start-up file `path`, and how to fix it. Returns None if all read
        it."""
        return None

    def plan_subshell(
        self, program: str, environ: Mapping[str, str], home: str, files: str
    ) -> tuple[list[str], dict[str, str]]:
        """Return the command line of an interactive shell, and its extra variables. With these, the shell reads a file
        in `files` after the user's start-up files, and that file loads the session. By default, the shell only inherits
        the session."""
        return [program], {}


def get_canonical_name(name: str) -> str:
    """Return the registered name of the shell that is also called `name`. Raises UsageError."""
    found = ALIASES.get(name, name)
    if found not in _REGISTRY:
        from tcenv.errors import UsageError

        raise UsageError(f"tcenv does not support the shell {name!r}.", f"It speaks: {', '.join((*SHELLS, *ALIASES))}.")
    return found


def load_shell(name: str) -> Shell:
    """Import the shell called `name`. Raises UsageError."""
    name = get_canonical_name(name)
    # This does the same as `importlib.import_module` without its many imports.
    shell: Shell = __import__(f"tcenv.shells.{name}", fromlist=("SHELL",)).SHELL
    shell.name = name
    return shell


def get_config_directory(environ: Mapping[str, str], home: str) -> str:
    """Return the directory for the configuration of programs, as XDG defines it."""
    config = environ.get("XDG_CONFIG_HOME", "")
    return config if os.path.isabs(config) else os.path.join(home, ".config")


def check_text(text: str) -> str:
    """Return `text` if an environment can hold it. Raises Unrepresentable."""
    if "\0" in text:
        raise Unrepresentable("a NUL character")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise Unrepresentable("half of a surrogate pair")
    return text


def quote_json(text: str) -> str:
    """Write `text` as a JSON string in printable ASCII, which no pipe's encoding changes. The library's `json` costs
    the hot path too much. Raises Unrepresentable."""
    return '"' + "".join(_ESCAPED.get(character) or _escape(character) for character in check_text(text)) + '"'


def _escape(character: str) -> str:
    if " " <= character <= "~":
        return character
    data = character.encode("utf-16-be")
    return "".join(f"\\u{high:02x}{low:02x}" for high, low in zip(data[::2], data[1::2], strict=True))


def export_json(change: Mapping[str, str | None]) -> str:
    """Return `change` as one line of JSON, with null for each variable to unset. Raises Unrepresentable."""
    pairs = (f"{quote_json(name)}:{'null' if value is None else quote_json(value)}" for name, value in change.items())
    return "{" + ",".join(pairs) + "}\n"
