"""Carry out `tcenv direnv`: print its library, or install it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from tcenv import output, paths, resources
from tcenv.cli.terminal import messages
from tcenv.errors import TcenvError, UsageError
from tcenv.files import rewrite

if TYPE_CHECKING:
    from tcenv.cli.parsing import options as o


class Options(NamedTuple):
    """Print the direnv library, which adds `use taskcluster [PROFILE]` to an .envrc.

    Examples:
        tcenv direnv --install
        echo 'use taskcluster' >> .envrc
    """

    install: o.Install = False
    uninstall: o.Uninstall = False


def run(options: Options) -> int:
    """Print the library, or write it into (or remove it from) direnv's library folder."""
    install, uninstall = options.install, options.uninstall
    if install and uninstall:
        raise UsageError("Use either --install or --uninstall.")
    text = resources.read("shell", "direnv.sh")
    if text is None:
        raise TcenvError("The direnv library is missing from this installation.", "Install tcenv again.")
    path = _find_library()
    if uninstall:
        return _uninstall(path)
    if not install:
        output.write(text)
        return 0
    try:
        with open(path, encoding="utf-8", opener=paths.open_regular) as file:
            current = file.read()
    except (OSError, UnicodeDecodeError):
        current = None
    if current == text:
        messages.confirm(f"{path} is up to date.")
    else:
        try:
            rewrite(path, text.encode(), mode=0o666)
        except OSError as error:
            raise TcenvError(
                f"{path} cannot be written: {error.strerror}.",
                "Write the text where direnv finds it: tcenv direnv > FILE (see direnv's documentation of direnvrc and lib/).",
            ) from None
        messages.confirm(f"{'Wrote' if current is None else 'Updated'} {path}.")
    messages.hint("In an .envrc: use taskcluster [PROFILE]")
    return 0


def _uninstall(path: str) -> int:
    try:
        os.unlink(path)
    except FileNotFoundError:
        messages.note(f"There was no {path}.")
        return 0
    except OSError as error:
        raise TcenvError(f"{path} cannot be removed: {error.strerror}.", "Remove it yourself.") from None
    messages.confirm(f"Removed {path}.")
    return 0


def _find_library() -> str:
    config = os.environ.get("XDG_CONFIG_HOME", "")
    if not os.path.isabs(config):
        config = os.path.join(paths.home("HOME, or XDG_CONFIG_HOME,"), ".config")
    folder = os.environ.get("DIRENV_CONFIG") or os.path.join(config, "direnv")
    return os.path.join(folder, "lib", "tcenv.sh")
