"""Measure whole commands against the bare interpreter. The bounds are the project's own."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial

from bench.common import make_bare_timer, sign_in
from bench.measure import Row, measure_ratio, measure_seconds
from bench.world import PROJECT, World

_EVERY_DAY = (
    ("env, shell named", ["env", "--shell", "bash"], 1.5),
    ("env, shell detected", ["env"], 2.2),
    ("login, live session", ["login", "--shell", "bash"], 2.0),
    ("exec -- true", ["exec", "--", "true"], 2.5),
    (
        "env --scope, temporary credentials",
        ["env", "--shell", "bash", "--scope", "queue:get-artifact:private/sandbox/*"],
        2.0,
    ),
    (
        "exec --scope, temporary credentials",
        ["exec", "--scope", "queue:get-artifact:private/sandbox/*", "--", "true"],
        2.0,
    ),
    ("exec --as, a purpose's", ["exec", "--as", "reading", "--", "true"], 2.0),
    ("status --offline", ["status", "--offline"], 4.5),
    ("profile list", ["profile", "list"], 3.5),
    ("profile show", ["profile", "show"], 4.5),
    ("purpose list", ["purpose", "list"], 4.5),
    ("init bash", ["init", "bash"], 2.5),
    ("direnv", ["direnv"], 2.5),
    ("completion (--profiles)", ["--profiles"], 2.0),
)


def measure_commands(world: World) -> Iterator[Row]:
    """Measure the commands that need no network."""
    _run(world, "profile", "set", "work", "--root-url", world.sandbox.root_url, "--default")
    _run(world, "purpose", "set", "reading", "--scope", "queue:get-artifact:private/sandbox/*", "--for", "15m")
    sign_in(world)
    bare = make_bare_timer(world)
    for name, words, bound in _EVERY_DAY:
        yield Row(name, measure_ratio(partial(measure_seconds, [world.tcenv, *words], world.env), bare), bound)
    names = [path.stem for path in sorted((PROJECT / "tcenv/cli/parsing/help_texts").glob("*.txt"))]
    commands = {name: [world.tcenv, *_split_name(name), "--help"] for name in names}
    slowest, which = max(
        (measure_ratio(partial(measure_seconds, command, world.env), bare, 9), name)
        for name, command in commands.items()
    )
    yield Row(
        "--help, the slowest command's",
        slowest,
        1.5,
        note=f"of {len(names)}: {' '.join(_split_name(which)) or 'tcenv'}",
    )


def measure_online_commands(world: World) -> Iterator[Row]:
    """Measure the commands that call the deployment, without the time that its answers take."""
    sign_in(world)
    for name, words, prepare, bound in (
        ("status", ["status"], None, 9.0),
        ("login --reset, by API", ["login", "--reset", "--shell", "sh"], None, 9.0),
        ("logout", ["logout", "--shell", "sh"], lambda: sign_in(world), 9.0),
        ("doctor", ["doctor"], None, 9.0),
    ):
        sign_in(world)
        spent, answers, base = _measure_without_answers(world, words, prepare)
        yield Row(
            f"{name}, less the deployment's answers",
            (spent - answers) / base,
            bound,
            note=f"the sandbox's answers took {answers * 1000:.0f} ms of {spent * 1000:.0f} ms",
        )


def _measure_without_answers(
    world: World, words: list[str], prepare: Callable[[], None] | None
) -> tuple[float, float, float]:
    """Return three medians in seconds: the whole command, the sandbox's answers to it, and the bare interpreter in
    between."""
    whole, answers, base = [], [], []
    for _ in range(9):
        if prepare is not None:
            prepare()
        before = len(world.sandbox.requests)
        start = time.perf_counter()
        subprocess.run(
            [world.tcenv, *words],
            env=world.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=words != ["doctor"],
        )
        whole.append(time.perf_counter() - start)
        base.append(make_bare_timer(world)())
        count = len(world.sandbox.requests) - before
        answers.append(count * _measure_answer(world))
    return statistics.median(whole), statistics.median(answers), statistics.median(base)


def _measure_answer(world: World) -> float:
    """Return how long the sandbox takes for one call on an open connection, in seconds."""
    import http.client
    import urllib.parse

    place = urllib.parse.urlsplit(world.sandbox.root_url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port)
    connection.request("GET", "/api/auth/v1/ping")
    connection.getresponse().read()
    start = time.perf_counter()
    for _ in range(5):
        connection.request("GET", "/api/auth/v1/ping")
        connection.getresponse().read()
    connection.close()
    return (time.perf_counter() - start) / 5


def _split_name(name: str) -> list[str]:
    return [] if name == "tcenv" else name.split("-")


def _run(world: World, *words: str) -> None:
    subprocess.run([world.tcenv, *words], env=world.env, check=True, capture_output=True)
