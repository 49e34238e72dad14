"""Serve command lines of tcenv, each in a fork of this process, which has imported everything: an interpreter's start and the
imports are three quarters of what most commands cost.

Run by its path, with one end of a pair of sockets as descriptor 0; the end of the other one ends this process. An order is
a packet of JSON (`words`, `env`, `cwd`, `start`). With it come four descriptors: the command's input, output and errors, and a
socket for the answers, which are the process id, then the exit status as `subprocess` has it."""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import sys
from contextlib import redirect_stdout, suppress
from functools import cache
from io import StringIO
from types import ModuleType
from typing import Any

import tcenv
import tcenv.__main__
from tcenv.cli.parsing import app
from tcenv.cli.terminal import messages, shell_output

LARGEST = 1 << 20


def import_everything() -> None:
    """Import all that a command line may need, and forget what that looked up in this process' environment."""
    for module in pkgutil.walk_packages(tcenv.__path__, "tcenv."):
        if not module.name.startswith("tcenv.sandbox") and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    # What is imported when it is needed.
    with redirect_stdout(StringIO()), suppress(SystemExit):
        app.run(["login", "--help"])
    for remembered in (messages.get_stderr, messages.get_stdout, messages.get_console, shell_output._say_sh):
        remembered.cache_clear()


@cache
def import_xonsh() -> ModuleType:
    """Import what xonsh runs a script with."""
    for module in (
        "aliases",
        "commands_cache",
        "completer",
        "procs.posix",
        "procs.specs",
        "prompt.env",
        "shells.base_shell",
    ):
        # Older versions have other modules.
        with suppress(ModuleNotFoundError):
            importlib.import_module(f"xonsh.{module}")
    return importlib.import_module("xonsh.main")


def carry_out(order: dict[str, Any], files: list[int]) -> int:
    """Be the command: what the interpreter and the command's script do before `main`, then `main` itself. Returns its status."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, file in enumerate(files):
        os.dup2(file, number)
    os.closerange(len(files), 4096)
    os.environ.clear()
    os.environ.update(order["env"])
    os.chdir(order["cwd"])
    sys.argv = order["words"]
    sys.orig_argv = [sys.executable, *order["words"]]
    if order["start"] == "xonsh":
        os.setsid()
    elif order["start"] != "installed":
        # The hot path says each time that it cannot do it.
        tcenv.hotpath.run = lambda *_: None
    status: Any = 1
    try:
        if order["start"] == "xonsh":
            status = import_xonsh().main(sys.argv[1:])
        else:
            status = app.run(sys.argv[1:]) if order["start"] == "app" else tcenv.__main__.main(())
    except SystemExit as ended:
        status = ended.code
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            status = 120
    return int(status or 0)


def main() -> None:
    orders = socket.socket(fileno=0)
    import_everything()
    # A fork's garbage collection would copy all of it.
    gc.freeze()
    ended, ending = os.pipe()
    os.set_blocking(ending, False)
    signal.set_wakeup_fd(ending, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    waiting: dict[int, socket.socket] = {}
    while True:
        ready, _, _ = select.select([orders.fileno(), ended], [], [])
        if ended in ready:
            os.read(ended, 4096)
            answer_ended(waiting)
        if orders.fileno() in ready:
            order, files, _, _ = socket.recv_fds(orders, LARGEST, 4)
            if not order:
                return
            wanted = json.loads(order)
            if wanted["start"] == "xonsh":
                import_xonsh()
            process = os.fork()
            if not process:
                status = 1
                try:
                    status = carry_out(wanted, files[:3])
                except BaseException:
                    sys.excepthook(*sys.exc_info())
                finally:
                    os._exit(status)
            for file in files[:3]:
                os.close(file)
            waiting[process] = socket.socket(fileno=files[3])
            with suppress(OSError):
                waiting[process].send(str(process).encode())


def answer_ended(waiting: dict[int, socket.socket]) -> None:
    """Tell the clients of the processes that have ended."""
    while waiting:
        process, status = os.waitpid(-1, os.WNOHANG)
        if not process:
            break
        with waiting.pop(process) as client, suppress(OSError):
            client.send(str(os.waitstatus_to_exitcode(status)).encode())


if __name__ == "__main__":
    # This file's folder is no place for modules.
    sys.path.pop(0)
    main()
