"""Many command lines in one process, each in a fork of it: the full command line takes an interpreter a fifth of a second."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tests.world import TCENV

# Imports once, and forks for each command line of its input.
_FORKING = """
import contextlib, gc, importlib, io, json, os, pkgutil, sys
import tcenv.__main__, tcenv.cli.commands, tcenv.cli.parsing.app, tcenv.hotpath
# What is imported when it is needed.
for line in (["--help"], ["login", "--help"]):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        tcenv.cli.parsing.app.run(line)
main, full = tcenv.__main__.main, lambda: tcenv.cli.parsing.app.run(sys.argv[1:])
for module in pkgutil.iter_modules(tcenv.cli.commands.__path__, "tcenv.cli.commands."):
    importlib.import_module(module.name)
if sys.argv[2:]:
    tcenv.hotpath.run = lambda *_: None
answers = []
entry = sys.argv[1]
gc.freeze()
for words, variables in json.load(sys.stdin):
    files = [os.memfd_create("answer") for _ in range(2)]
    process = os.fork()
    if not process:
        for number, file in enumerate(files, 1):
            os.dup2(file, number)
        os.environ.clear()
        os.environ.update(variables)
        sys.argv = ["tcenv", *words]
        status = 1
        try:
            status = globals()[entry]()
        except SystemExit as ended:
            status = ended.code
        finally:
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(ValueError):
                    stream.flush()
            os._exit(status or 0)
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    answers.append([status, *(os.pread(file, 1 << 20, 0).decode() for file in files)])
json.dump(answers, sys.stdout)
"""


class Answer(NamedTuple):
    """How a command line has ended, and what it has written."""

    status: int
    output: str
    errors: str


def run_command(words: Sequence[str], env: Mapping[str, str]) -> Answer:
    """Run the installed command."""
    done = subprocess.run([TCENV, *words], env=dict(env), capture_output=True, timeout=60, stdin=subprocess.DEVNULL)
    return Answer(done.returncode, done.stdout.decode(), done.stderr.decode())


def run_many(
    cases: Sequence[tuple[Sequence[str], Mapping[str, str]]], env: Mapping[str, str], *how: str
) -> list[Answer]:
    """Run command lines, each with its environment, one after the other; `env` is for the interpreter. `how` is `main`, or
    `full` for the full command line alone; behind `main`, any word switches the hot path off."""
    told = [(list(words), dict(variables)) for words, variables in cases]
    done = subprocess.run(
        [sys.executable, "-c", _FORKING, *how],
        input=json.dumps(told),
        env=dict(env),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return [Answer(*answer) for answer in json.loads(done.stdout)]


def run_full(cases: Sequence[tuple[Sequence[str], Mapping[str, str]]], env: Mapping[str, str]) -> list[Answer]:
    """Run command lines as `run_many` does, without the hot path."""
    return run_many(cases, env, "main", "no hot path")
