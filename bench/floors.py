"""Name the floor of each row, and the reason for the difference. Measure the floors that can be measured."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator

from bench.measure import Row, measure_ratio, measure_seconds
from bench.world import World

_IMPORTS = (
    ("import dataclasses", "with inspect; the hot path does without"),
    ("import hmac, hashlib, json, base64", "the usual way to compute temporary credentials"),
    ("import ssl, http.client", "tcenv sends its calls with these"),
    ("import urllib.request", "the same with the proxies of the system"),
    ("import urllib3", "not used: tcenv needs only what http.client does"),
    ("import requests", "not used: the same with cookies, netrc, redirects"),
    ("import mohawk", "not used: signs as deployment/hawk.py does, with less control over what is hashed"),
    ("import taskcluster", "not used: the client library with requests and mohawk"),
    ("import certifi", "imported only where the system trusts no certificate"),
    ("import rich.console", "not needed for lines of text"),
    ("import tomlkit", "imported only to change the configuration"),
    ("import keyring", "imported only for the keyring"),
    ("import typer", "the full command line, before it has declared anything"),
    ("import aiohttp", "both sides of the signing proxy, loaded while the command starts"),
)

_START = "1: the interpreter's own start. The difference: "
_STORED = _START + "some 14 small modules, the configuration's index and the session's file"
_CALL = (
    "about 4: the interpreter, and an HTTP client of the standard library (see Floors). The difference: the signature, the "
    "strict parsing of the answers, "
)
_BROWSER = (
    _START
    + "sockets, the browser's process, the stores and the names (about 110 modules); it does not wait for the network"
)
_HOOK = (
    "an empty function of the shell. The difference: comparing five variables, and reading a line of the session's file"
)

# By the row's name.
FLOORS = {
    "env, shell named": _STORED,
    "env, shell detected": _STORED + ", and the parent processes in /proc",
    "login, live session": _STORED,
    "exec -- true": "1 and the start of `true`. The difference: the same as for env",
    "env --scope, temporary credentials": _STORED + "; hmac, base64 and JSON by hand",
    "exec --scope, temporary credentials": "1 and the start of `true`. The difference: the same as for env --scope",
    "exec --as, a purpose's": "1 and the start of `true`. The difference: the same; the purpose is in the index",
    "env, the token in the keyring": "the row below. The difference: the same as for env, and two more calls",
    "one call to the keyring, by the library's own parts": _START + "sockets, selectors, and the library's D-Bus",
    "status --offline": _START
    + "reading the plain command line, the session, printing, and the dataclasses that hold both",
    "profile list": _START + "the configuration's index, the stores",
    "profile show": _START + "the configuration itself (tomllib), for where each value comes from",
    "purpose list": _START + "the configuration itself (tomllib)",
    "init bash": _START + "finding and checking the paths for the text; reading shell/ from the wheel",
    "direnv": _START + "the same as for init",
    "completion (--profiles)": _START + "the configuration's index",
    "--help, the slowest command's": _START + "reading a prepared text",
    "status, less the deployment's answers": _CALL + "and the lines",
    "login --reset, by API, less the deployment's answers": _CALL + "the lock, and writing the session",
    "logout, less the deployment's answers": _CALL + "and searching the stores",
    "doctor, less the deployment's answers": _CALL
    + "a listener on loopback, the start-up file, the other tools' files",
    "login to the browser's start, the first time": _BROWSER,
    "login to the browser's start, on an ordinary morning": _BROWSER,
    "the same, with a deployment that does not answer": _BROWSER,
    "login, callback to the end, less the deployment's answers": "0: tcenv has imported everything while it waited. "
    "The difference: checking the callback, writing the session, printing the statements",
    "the page in the browser, after that end": "0: tcenv sends it before the command ends",
    "prompt hook, bash": _HOOK,
    "prompt hook, zsh": _HOOK,
    "prompt hook, fish": _HOOK + "; fish gets the time from the age of a file, through a pipe",
    "direnv export, use taskcluster": "direnv itself, with the one `watch_file` that it needs to notice a change",
    "env with 1,000 sessions and 1,000 profiles": "1: tcenv seeks in the index. The difference: a larger directory",
    "200 logins at once, CPU per login": "1: they share nothing but the lock",
    "the waiting login": "the interpreter (9 MB) and the code that asks the deployment afterwards",
    "exec, Python left behind": "0: the command replaces the process",
    "a call over one connection, added": "a second HTTP exchange. The difference: aiohttp's server and client, two signatures",
    "16 connections, time a call": "aiohttp's own two exchanges: one core does all of them",
    "a GiB to the program, memory above idle": "one buffer",
    "a GiB to a program that reads slowly, memory above idle": "one buffer: the proxy reads the deployment's answer no faster",
    "a GiB to the deployment, memory above idle": "one buffer: the body for sending again is not in the process",
    "a GiB to a deployment that reads slowly, memory above idle": "one buffer: the proxy reads the program's request no faster",
    "a GiB in chunks to the deployment, memory above idle": "one buffer: the body for sending again is in the kernel's memory",
    "exec --proxy, start of its command": "1 and the command's own start. The difference: the sockets; aiohttp comes later",
}


def measure_floors(world: World) -> Iterator[Row]:
    """Measure what libraries cost to import, each in a new interpreter. This interpreter also has libraries that tcenv
    does not use."""
    base = functools.partial(measure_seconds, [sys.executable, "-c", "pass"], world.env)
    for statement, note in _IMPORTS:
        took = functools.partial(measure_seconds, [sys.executable, "-c", statement], world.env)
        yield Row(statement, measure_ratio(took, base, 11), None, note=note)
