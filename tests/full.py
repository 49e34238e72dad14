"""The full command line, without the hot path: what the hot path's answers are compared with."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tests.world import TCENV

# Imports once, and forks for each command line of its input.
_FULL = """
import importlib, json, os, pkgutil, sys
import tcenv.__main__, tcenv.cli.commands, tcenv.cli.parsing.app, tcenv.hotpath
for module in pkgutil.iter_modules(tcenv.cli.commands.__path__, "tcenv.cli.commands."):
    importlib.import_module(module.name)
tcenv.hotpath.run = lambda *_: None
answers = []
for words, variables in json.load(sys.stdin):
    files = [os.memfd_create("answer") for _ in range(2)]
    process = os.fork()
    if not process:
        for number, file in enumerate(files, 1):
            os.dup2(file, number)
        os.environ.clear()
        os.environ.update(variables)
        sys.argv = ["tcenv", *words]
        sys.exit(tcenv.__main__.main())
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


def run_full(cases: Sequence[tuple[Sequence[str], Mapping[str, str]]], env: Mapping[str, str]) -> list[Answer]:
    """Run command lines, each with its environment, one after the other; `env` is for the interpreter."""
    told = [(list(words), dict(variables)) for words, variables in cases]
    done = subprocess.run(
        [sys.executable, "-c", _FULL],
        input=json.dumps(told),
        env=dict(env),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return [Answer(*answer) for answer in json.loads(done.stdout)]
