"""Check that JSON has the form that docs/json.md promises."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tcenv.sandbox import Sandbox
from tests.world import make_env, sign_in, tcenv

PAGE = (Path(__file__).parents[2] / "docs/json.md").read_text()
ROWS = dict(re.findall(r"^\| `tcenv ([^`]+)` \| (.*) \|$", PAGE, re.M))


@pytest.fixture
def env(deployment: Sandbox) -> dict[str, str]:
    """Return the environment of a user who has a session, profiles and purposes."""
    env = sign_in(deployment)
    for words in (
        ["profile", "set", "idle", "--root-url", "https://x.example.com"],
        ["purpose", "set", "NAME", "--scope", "queue:scheduler-id:a", "--for", "15m"],
    ):
        assert tcenv(*words, env=env).returncode == 0
    return env


def check_values(value: Any, key: str = "") -> None:
    """Check the form of every time, duration and truth value."""
    if isinstance(value, dict):
        for name, inner in value.items():
            check_values(inner, name)
    elif isinstance(value, list):
        for inner in value:
            check_values(inner)
    elif key == "expires":
        assert datetime.fromisoformat(value).tzinfo is not None
    elif key in ("expires_in", "timeout", "for") and value is not None:
        assert type(value) is int and value > 0
    elif key in ("signed_in", "verified", "loaded", "default", "no_browser", "no_self_delete"):
        assert type(value) is bool


@pytest.mark.parametrize("line", ROWS)
def test_json_has_the_documented_keys_and_values(line: str, env: dict[str, str]) -> None:
    done = tcenv(*line.split(), env=env)
    content = json.loads(done.stdout)
    assert content["version"] == 1
    check_values(content)
    documented = set(re.findall(r"`(\w+)`", ROWS[line] if "the same" not in ROWS[line] else " ".join(ROWS.values())))
    found = set(content) - {"version"}
    for value in content.values():
        for row in value if isinstance(value, list) else ():
            found |= set(row) if isinstance(row, dict) else set()
    assert found <= documented | {"sessions"}
    if "the same" not in ROWS[line]:
        assert documented - {"hint", "good", "note", "bad"} <= found


def test_json_reports_that_nobody_is_signed_in(home: Path) -> None:
    done = tcenv("status", "https://x.example.com", "--json", env=make_env())
    content = json.loads(done.stdout)
    assert (done.returncode, content["signed_in"], content["version"]) == (3, False, 1)
    assert "expires" not in content
    assert json.loads(tcenv("status", "--all", "--json", env=make_env()).stdout) == {"version": 1, "sessions": []}


def test_profile_set_takes_every_key_and_unset_removes_every_one(env: dict[str, str]) -> None:
    values = {
        "name": "n", "scopes": "a:b", "expires": "2h", "description": "d", "flow": "create", "port": "0", "timeout": "90s",
        "browser": "true", "no_browser": None, "no_self_delete": None,
    }  # fmt: skip
    words = []
    for key, value in values.items():
        words += [
            "--scope" if key == "scopes" else f"--{key.replace('_', '-')}",
            *([value] if value is not None else []),
        ]
    assert tcenv("profile", "set", "idle", *words, env=env).returncode == 0
    config = Path(env["XDG_CONFIG_HOME"], "tcenv/config.toml").read_text()
    for key in values:
        assert re.search(rf"^{key} = ", config, re.M), key
    unset = [word for key in values for word in ("--unset", key)]
    assert tcenv("profile", "set", "idle", *unset, env=env).returncode == 0
    config = Path(env["XDG_CONFIG_HOME"], "tcenv/config.toml").read_text()
    assert not re.search(rf"^({'|'.join(values)}) = ", config.partition("[purposes")[0], re.M)
    refused = tcenv("profile", "set", "idle", "--unset", "root_url", env=env)
    assert (refused.returncode, "Known: name, scopes, " in refused.stderr) == (2, True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["help", "profile", "nope"], "There is no command 'nope'"),
        (["help", "nope"], "There is no command 'nope'"),
        (["ls"], "Did you mean profile list?"),
        (["rm"], "Did you mean profile remove?"),
        (["add"], "Did you mean profile set?"),
        (["use"], "Did you mean env?"),
        (["auth"], "Did you mean login?"),
        (["run"], "Did you mean exec?"),
        (["exec-env"], "Did you mean exec?"),
    ],
)
def test_an_unknown_command_gets_a_suggestion(words: list[str], message: str) -> None:
    done = tcenv(*words, env=make_env())
    assert (done.returncode, done.stdout, message in done.stderr) == (2, "", True)
