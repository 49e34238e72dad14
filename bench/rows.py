"""Measure each group of rows in a function of its own; the bounds are the project's own."""

from __future__ import annotations

import json
import os
import re
import resource
import shlex
import signal
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.commands import measure_commands, measure_online_commands
from bench.common import make_runtime_directory, sign_in
from bench.floors import measure_floors
from bench.keyring import measure_keyring
from bench.measure import Row, measure_ratio, measure_seconds
from bench.peers import find_or_build, write_gh_token
from bench.proxy import measure_proxy
from bench.sign_in import measure_sign_in
from bench.world import World, find_program

_HOOKS = {
    # Call the hook 2,000 times in one shell with a loaded session, and subtract the loop's own time.
    "bash": (
        'eval "$(tcenv init bash --no-completion)"; eval "$(command tcenv env --shell bash)"; t() {{ local s=$EPOCHREALTIME i;'
        ' for ((i=0;i<2000;i++)); do "$@"; done; local e=$EPOCHREALTIME; echo $((${{e/./}}-${{s/./}})); }}; t __tcenv_hook; t :',
        50.0,
    ),
    "zsh": (
        'zmodload zsh/datetime; eval "$(tcenv init zsh --no-completion)"; eval "$(command tcenv env --shell zsh)"; t() {{'
        ' local s=$EPOCHREALTIME i; for ((i=0;i<2000;i++)); do "$@"; done; printf "%d\\n" $(( ($EPOCHREALTIME-s)*1000000 )); }};'
        " t __tcenv_hook; t :",
        50.0,
    ),
    "fish": (
        "tcenv init fish --no-completion | source; command tcenv env --shell fish | source; function empty; end;"
        " for f in __tcenv_hook empty; set -l s (date +%s%N); for i in (seq 2000); $f; end;"
        ' math --scale=0 "($(date +%s%N) - $s) / 1000"; end',
        150.0,
    ),
}


def measure_hooks(world: World) -> Iterator[Row]:
    """Measure the prompt hook, in microseconds a call."""
    sign_in(world)
    for shell, (script, bound) in _HOOKS.items():
        program = find_program(shell)
        if program is None:
            yield Row(f"prompt hook, {shell}", None, bound, "µs", "", f"not measured: no {shell} here")
            continue
        flags = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
        samples = []
        for _ in range(7):
            command = [program, *flags, "-c", script.format()]
            out = subprocess.run(command, env=world.env, capture_output=True, text=True, check=True).stdout.split()
            samples.append((int(out[0]) - int(out[1])) / 2000)
        yield Row(f"prompt hook, {shell}", statistics.median(samples), bound, "µs", "")


def measure_direnv(world: World) -> Iterator[Row]:
    """Measure `use taskcluster` against an .envrc with three plain exports."""
    program = find_program("direnv")
    name = "direnv export, use taskcluster"
    if program is None:
        yield Row(name, None, 1.25, basis="three exports", note="not measured: no direnv here")
        return
    env = {name: value for name, value in world.env.items() if name != "TASKCLUSTER_ROOT_URL"}
    for words in (
        ["profile", "set", "work", "--root-url", world.sandbox.root_url, "--default"],
        ["login", "--shell", "sh"],
        ["direnv", "--install"],
    ):
        subprocess.run([world.tcenv, *words], env=env, check=True, capture_output=True)

    def project(name: str, text: str) -> Callable[[], float]:
        folder = world.home / name
        folder.mkdir(exist_ok=True)
        (folder / ".envrc").write_text(text)
        subprocess.run([program, "allow", str(folder)], env=env, check=True)
        command = ["sh", "-c", f"cd {folder} && exec {program} export bash"]
        return lambda: measure_seconds(command, env)

    exports = project(
        "exports", "export TASKCLUSTER_ROOT_URL=a\nexport TASKCLUSTER_CLIENT_ID=b\nexport TASKCLUSTER_ACCESS_TOKEN=c\n"
    )
    use = project("use", "use taskcluster\n")
    watching = project(
        "watching",
        "watch_file a\nexport TASKCLUSTER_ROOT_URL=a\nexport TASKCLUSTER_CLIENT_ID=b\nexport TASKCLUSTER_ACCESS_TOKEN=c\n",
    )
    floor = measure_ratio(watching, exports)
    yield Row(
        name,
        measure_ratio(use, exports),
        1.25,
        basis="three exports",
        note=f"direnv's own watch_file alone makes it {floor:.2f}",
    )
    (world.home / ".config/tcenv/config.toml").unlink()


def measure_growth(world: World) -> Iterator[Row]:
    """Measure a thousand sessions and profiles, and two hundred logins at once."""
    few, many = (_populate(world, profiles) for profiles in (1, 1000))
    command = [world.tcenv, "env", "p0", "--shell", "bash"]
    grown = measure_ratio(lambda: measure_seconds(command, many), lambda: measure_seconds(command, few), 101)
    yield Row("env with 1,000 sessions and 1,000 profiles", grown, 1.05, basis="env with one of each")

    def cpu(logins: int) -> float:
        world.sandbox.clients.clear()
        env = {**world.env, "XDG_RUNTIME_DIR": str(make_runtime_directory(world))}
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        with ThreadPoolExecutor(logins) as pool:
            list(pool.map(lambda _: sign_in(world, env), range(logins)))
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / logins

    cpu(5)
    twenty = statistics.median(cpu(20) for _ in range(3))
    two_hundred = statistics.median(cpu(200) for _ in range(3))
    yield Row("200 logins at once, CPU per login", two_hundred / twenty, 1.2, basis="20 at once")


def _populate(world: World, profiles: int) -> dict[str, str]:
    """Make a home folder with that many profiles, each with a session; `p0` is the last one. Return its environment."""
    world.sandbox.clients.clear()  # else the second home finds the name taken
    home = world.home / f"of-{profiles}"
    runtime = home / "run"
    runtime.mkdir(mode=0o700, parents=True)
    env = {**world.env, "HOME": str(home), "XDG_RUNTIME_DIR": str(runtime)}
    config = home / ".config/tcenv/config.toml"
    config.parent.mkdir(parents=True)
    names = [f"p{number}" for number in reversed(range(profiles))]
    config.write_text("".join(f'[profiles.{name}]\nroot_url = "{world.sandbox.root_url}"\n' for name in names))
    subprocess.run([world.tcenv, "login", "p0", "--shell", "sh"], env=env, check=True, capture_output=True)
    signed_in = runtime / "tcenv" / "p0.session"
    for name in names[:-1]:
        copy = signed_in.with_stem(name)
        copy.write_text(signed_in.read_text().replace("TCENV_PROFILE=p0\n", f"TCENV_PROFILE={name}\n"))
        copy.chmod(0o600)
    return env


def measure_memory(world: World) -> Iterator[Row]:
    """Measure the peak memory of a waiting login with all that it has imported, and what exec leaves behind."""
    env = {**world.env, "BROWSER": "true", "XDG_RUNTIME_DIR": str(make_runtime_directory(world))}
    process = subprocess.Popen(
        [world.tcenv, "login", "--shell", "sh"], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    time.sleep(3)
    peak = re.search(r"VmHWM:\s*(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert peak is not None
    yield Row("the waiting login", int(peak[1]) / 1024, 60.0, "MB", "")
    sign_in(world)
    process = subprocess.Popen([world.tcenv, "exec", "--", "sleep", "5"], env=world.env)
    time.sleep(0.5)
    program = os.readlink(f"/proc/{process.pid}/exe")
    process.kill()
    process.wait()
    yield Row("exec, Python left behind", float("python" in program), 0.0, "processes", "")


def measure_peers(world: World) -> Iterator[Row]:
    """Measure the quickest comparable commands of other tools with hyperfine, in one run: those that print stored data,
    and bare starts."""
    hyperfine = find_program("hyperfine")
    if hyperfine is None:
        yield Row("peers", None, None, note="not measured: no hyperfine here")
        return
    sign_in(world)
    write_gh_token(world)
    found = {"tcenv env": [world.tcenv, "env", "--shell", "bash"]}
    missing = {}
    for name, program, words in (
        ("gh auth token", "gh", ["auth", "token"]),
        ("direnv stdlib", "direnv", ["stdlib"]),
        ("taskcluster version (Go)", "client-shell", ["version"]),
        ("aws-vault --version (Go)", "aws-vault", ["--version"]),
        ("gh --version", "gh", ["--version"]),
        ("direnv version", "direnv", ["version"]),
    ):
        path, reason = find_or_build(program)
        if path is None:
            missing[name] = reason
        else:
            found[name] = [path, *words]
    out = world.home / "hyperfine.json"
    settings = ["-N", "--warmup", "3", "--runs", "40", "--style", "none", "--export-json", str(out)]
    compared = [shlex.join(words) for words in ([world.python, "-c", "pass"], *found.values())]
    subprocess.run([hyperfine, *settings, *compared], env=world.env, check=True, capture_output=True)
    medians = [result["median"] for result in json.loads(out.read_text())["results"]]
    own = medians[1]
    for name, median in zip(found, medians[1:], strict=True):
        faster = "" if median == own else f"tcenv env takes {own / median:.1f} times as long" if own > median else ""
        slower = f"takes {median / own:.1f} times as long as tcenv env" if median > own else ""
        yield Row(name, median / medians[0], None, note=faster or slower)
    for name, reason in missing.items():
        yield Row(name, None, None, note=f"not measured: {reason}")


GROUPS: tuple[tuple[str, Callable[[World], Iterator[Row]]], ...] = (
    ("Commands", measure_commands),
    ("Keyring", measure_keyring),
    ("Asking", measure_online_commands),
    ("Signing in", measure_sign_in),
    ("Prompts", measure_hooks),
    ("direnv", measure_direnv),
    ("Growth", measure_growth),
    ("Memory", measure_memory),
    ("Proxy", measure_proxy),
    ("Floors", measure_floors),
    ("Peers", measure_peers),
)
