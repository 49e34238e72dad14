"""The full command line: Typer's commands, made from `declaration`. It takes the command lines
that the plain reader leaves, explains wrong ones, and renders help for narrow terminals."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from tcenv.cli.parsing import declaration, help, plain_reader, usage_errors
from tcenv.cli.terminal.exit_status import carry_out

_CONTEXT = {"help_option_names": ["-h", "--help"]}
# Kind of an option -> its type as Typer takes it, and the value of one that is not given.
_TYPES: dict[str, tuple[Any, Any]] = {
    "flag": (bool, False),
    "number": (int | None, None),
    "list": (list[str] | None, None),
    "text": (str | None, None),
}
_REQUIRED_TYPES: dict[str, Any] = {"list": list[str], "text": str}


def run(arguments: Sequence[str]) -> int:
    """Carry out a command line. Returns its exit status."""

    def invoke() -> int:
        try:
            return int(build()(list(arguments), prog_name="tcenv", standalone_mode=False) or 0)
        except Exception as failure:
            raise usage_errors.explain(failure, arguments) from None

    return carry_out(arguments, invoke)


def _render_help(context: Any) -> str:
    words = " ".join(context.command_path.split()[1:])
    text = help.render(declaration.find_command(words), help.measure_width())
    return plain_reader.embolden_heads(text.encode()).decode()


class _Command(TyperCommand):
    """A command with tcenv's own help and usage errors."""

    def get_help(self, ctx: Any) -> str:
        return _render_help(ctx)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        ctx.allow_extra_args = True
        rest: list[str] = super().parse_args(ctx, args)
        if rest and not declaration.find_command(" ".join(ctx.command_path.split()[1:])).takes_command:
            raise usage_errors.describe_unexpected_words(rest, ctx.command_path)
        return rest


class _Group(TyperGroup):
    """A group of commands with tcenv's own help and usage errors."""

    def get_help(self, ctx: Any) -> str:
        return _render_help(ctx)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            raise usage_errors.describe_unknown_command(args[0], ctx.command_path, self.list_commands(ctx))
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        # click renamed it, and warns of the old name.
        name = "_protected_args" if hasattr(ctx, "_protected_args") else "protected_args"
        if not self.invoke_without_command and not getattr(ctx, name, ()):
            raise usage_errors.describe_missing_command(ctx.command_path)
        return super().invoke(ctx)


def build() -> typer.Typer:
    """Build Typer's application."""
    app = typer.Typer(
        cls=_Group,
        name="tcenv",
        add_completion=False,
        # Typer's own tracebacks show local variables, and with them tokens.
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings=_CONTEXT,
    )
    app.callback(invoke_without_command=True)(_main)
    groups = {"": app}
    for words in declaration.COMMANDS:
        group, _, name = words.rpartition(" ")
        if words in declaration.GROUPS:
            groups[words] = typer.Typer(cls=_Group, rich_markup_mode=None)
            app.add_typer(groups[words], name=words)
        else:
            groups[group].command(name, cls=_Command)(_make_callback(words))
    return app


def _main(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        raise typer.Exit(plain_reader.load_action("version")(None))
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(2)


def _make_callback(words: str) -> Callable[..., None]:
    """Make the function that Typer calls for a command. Its parameters are the command's options."""
    command = declaration.find_command(words)

    def callback(**values: Any) -> None:
        if command.takes_command:
            # The plain reader carries out each complete form: what comes here lacks `--`, or a value.
            usage = command.argument.metavar if command.argument is not None else ""
            raise typer.BadParameter(f"put the command after `--`, and the options before it: tcenv {words} {usage}")
        given = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
        options = plain_reader.load_options_class(words)(
            **{key: value for key, value in given.items() if value is not None}
        )
        raise typer.Exit(plain_reader.load_action(words)(options))

    argument = command.argument
    parameters = []
    for key, hint in declaration.get_hints(words).items():
        if not hasattr(hint, "__metadata__"):
            continue
        kind = declaration.get_kind(hint)
        value_type, default = _TYPES[kind]
        if argument is not None and argument.key == key and (argument.required or command.takes_command):
            value_type, default = _REQUIRED_TYPES[kind], inspect.Parameter.empty
        parameters.append(
            inspect.Parameter(
                key,
                inspect.Parameter.KEYWORD_ONLY,
                default=default,
                annotation=Annotated[value_type, hint.__metadata__[0]],
            )
        )
    callback.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    callback.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return callback
