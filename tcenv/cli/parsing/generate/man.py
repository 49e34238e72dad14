"""Man pages: one for each command, and `tcenv(1)`."""

from __future__ import annotations

from tcenv import __version__
from tcenv.cli.parsing import declaration

# When the command line was last changed in what it promises.
_DATE = "2026-11-24"
_STATUSES = (
    ("0", "Done."),
    ("1", "Failed."),
    ("2", "The command line, a variable or the configuration is wrong."),
    ("3", "Not signed in, or the session has expired."),
    ("124", "Nobody approved in the browser in time."),
    ("130", "Interrupted."),
)


def get_file_name(command: declaration.Command) -> str:
    """Return the file name of a command's page, such as `tcenv-profile-set.1`."""
    return "-".join(["tcenv", *command.words.split()]) + ".1"


def render(command: declaration.Command) -> str:
    """Render the man page of a command in the man macros."""
    name = get_file_name(command).removesuffix(".1")
    lines = [
        f'.TH "{name.upper()}" "1" "{_DATE}" "tcenv {__version__}" "tcenv"',
        ".SH NAME",
        f"{_escape(name)} \\- {_escape(_render_name(command))}",
        ".SH SYNOPSIS",
        f".B {_escape(' '.join(['tcenv', *command.words.split()]))}",
        "[OPTIONS]" + _render_synopsis(command),
        ".SH DESCRIPTION",
        *_render_paragraphs(command.help),
    ]
    if command.arguments:
        lines.append(".SH ARGUMENTS")
        for label, text in command.arguments:
            lines += _render_item(label, "", text)
    for title, members in declaration.list_sections(command):
        lines.append(f".SH {title.upper()}")
        for member in members:
            lines += [".TP", f".B {_escape(member.words)}", _escape(member.summary) + "."]
    lines.append(".SH OPTIONS")
    for option in command.options:
        lines += _render_item(option.label, "" if option.kind == "flag" else option.metavar, option.help)
    lines += _render_item("-h, --help", "", "Show help and exit.")
    if command.examples:
        lines += [".SH EXAMPLES", ".nf", *(_escape(line) for line in command.examples), ".fi"]
    lines.append(".SH EXIT STATUS")
    for status, meaning in _STATUSES:
        lines += [".TP", f".B {status}", meaning]
    lines += [
        ".SH SEE ALSO",
        ",\n".join(f".BR {_escape(name)} (1)" for name in _list_related(command)).replace(",\n", " ,\n"),
    ]
    return "\n".join(lines) + "\n"


def _render_synopsis(command: declaration.Command) -> str:
    if command.members:
        return " COMMAND ..."
    return f" {_escape(command.argument.metavar)}" if command.argument is not None else ""


def _list_related(command: declaration.Command) -> list[str]:
    if not command.words:
        return [get_file_name(member).removesuffix(".1") for member in declaration.list_commands() if member.words]
    group, _, member = command.words.rpartition(" ")
    if member and group:
        related = [group, *declaration.find_command(group).members]
    else:
        section = next(words for words in declaration.SECTIONS.values() if command.words in words)
        related = [*command.members, *section]
    pages = [
        get_file_name(declaration.find_command(words)).removesuffix(".1") for words in related if words != command.words
    ]
    return ["tcenv", *dict.fromkeys(pages)]


def _render_name(command: declaration.Command) -> str:
    """Return the summary in the form of a man page's NAME: it begins in lower case, but for Taskcluster's name."""
    summary = command.summary
    return summary if summary.startswith("Taskcluster") else summary[:1].lower() + summary[1:]


def _render_item(name: str, metavar: str, text: str) -> list[str]:
    return [".TP", f".BI {_quote(name + (' ' if metavar else ''))} {_quote(metavar)}".rstrip(), _escape(text)]


def _render_paragraphs(text: str) -> list[str]:
    lines: list[str] = []
    for paragraph in text.split("\n\n"):
        lines += [".PP", _escape(paragraph)] if lines else [_escape(paragraph)]
    return lines


def _quote(text: str) -> str:
    return f'"{_escape(text)}"' if text else ""


def _escape(text: str) -> str:
    """Escape what the formatter would obey: backslashes, a request at the start, hyphens that users copy."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace('"', "\\(dq").replace("`", "\\(ga")
    return "\\&" + escaped if escaped[:1] in (".", "'") else escaped
