"""What is written from the declarations in `app` and `options`: completion, man pages, the reference, help texts, the light
reader's tables. Run by `make generated`, never by a command; a test holds all of it current."""

from __future__ import annotations


def files() -> dict[str, str]:
    """Every generated file: its path in the checkout, and its content."""
    from tcenv.cli.parsing import declaration, help_text
    from tcenv.cli.parsing.generate import bash, elvish, fish, man, nu, powershell, reference, tables, zsh

    result = {
        "completions/tcenv.bash": bash.script(),
        "completions/_tcenv": zsh.script(),
        "completions/tcenv.fish": fish.script(),
        "completions/tcenv.ps1": powershell.script(),
        "completions/tcenv.elv": elvish.script(),
        "completions/tcenv.nu": nu.script(),
        "tcenv/cli/parsing/tables.py": tables.tables(),
        "docs/commands.md": reference.text(),
    }
    for command in declaration.commands():
        name = command.words.replace(" ", "-") or "tcenv"
        result[f"tcenv/cli/parsing/help_texts/{name}.txt"] = help_text.render(command) + "\n"
        result[f"man/{man.name_of(command)}"] = man.page(command)
    return result


# The folders in which nothing else stands than what is generated.
FOLDERS = ("completions", "man", "tcenv/cli/parsing/help_texts")
