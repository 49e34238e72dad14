"""Check the output of a terminal: a sign-in's lines, its address, `--quiet` and `--verbose`, ASCII, and tables."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from tcenv.sandbox import Sandbox
from tests.terminal import run_in_terminal
from tests.world import APPROVE, NAME, TCENV, login, make_env, read_session_fields, sign_in, tcenv

LINK = re.compile(r"\x1b\]8;[^;]*;([^\x1b]+)\x1b\\([^\x1b]*)\x1b\]8;;\x1b\\")
KITTY = {"TERM": "xterm-kitty", "KITTY_WINDOW_ID": "1"}


def sign_in_on_terminal(env: Mapping[str, str], *words: str) -> str:
    """Sign in on a terminal of 100 columns. Return its output."""
    status, _, output = run_in_terminal(TCENV, "login", "--shell", "bash", *words, env=env, columns=100)
    assert status == 0, output
    return output


def strip_escapes(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b\]8;[^\x1b]*\x1b\\", "", text)


def test_a_sign_in_shows_the_address_first(deployment: Sandbox) -> None:
    # The reset must be able to pause this browser until it has deleted the former client.
    env = make_env(deployment, TCENV_SCOPE="queue:scheduler-id:a", TERM="xterm-256color", BROWSER=APPROVE)
    # The first sign-in shows the user's prefix. Then tcenv can request the scope to delete.
    sign_in_on_terminal(env)
    second = strip_escapes(sign_in_on_terminal(env, "--reset"))
    lines = [line for line in second.splitlines() if line.strip()]
    assert f"Approve “{NAME}" in lines[0]
    assert "/auth/clients/create?" in lines[1]
    assert next(n for n, line in enumerate(lines) if "Also asked for" in line) > 1
    # It says that once for each profile.
    assert "Also asked for" not in strip_escapes(sign_in_on_terminal(env, "--reset"))


def test_the_address_is_a_short_link_if_a_browser_was_started(deployment: Sandbox) -> None:
    output = sign_in_on_terminal(make_env(deployment, **KITTY))
    ((target, label),) = LINK.findall(output)
    assert label == f"{deployment.root_url}/auth/clients/create"
    assert target.startswith(f"{label}?")


@pytest.mark.parametrize("terminal", ["ssh", "unknown terminal", "tmux"])
def test_the_whole_address_is_shown_if_it_may_be_copied(terminal: str, deployment: Sandbox) -> None:
    more = {
        "ssh": {**KITTY, "SSH_CONNECTION": "192.0.2.1 1 192.0.2.2 22"},
        "unknown terminal": {"TERM": "xterm-256color"},
        "tmux": {**KITTY, "TMUX": "/tmp/tmux-1000/default,1,0"},
    }[terminal]
    assert "/auth/clients/create?name=" in strip_escapes(sign_in_on_terminal(make_env(deployment, **more)))


def test_the_whole_address_is_shown_if_no_browser_starts(deployment: Sandbox) -> None:
    for words, browser in (((), "/nosuch/browser %s"), (("--no-browser",), APPROVE)):
        env = make_env(deployment, BROWSER=browser, TCENV_RETRY="1", **KITTY)
        _, _, output = run_in_terminal(
            TCENV, "login", "--shell", "bash", "--timeout", "1s", *words, env=env, columns=100
        )
        assert "To approve" in output
        assert f"{deployment.root_url}/auth/clients/create?" in strip_escapes(output)


def test_a_reset_says_that_the_token_is_new(deployment: Sandbox) -> None:
    env = sign_in(deployment)
    done = tcenv("login", "--shell", "bash", "--reset", env=env)
    assert f"New token for {read_session_fields(env)['TASKCLUSTER_CLIENT_ID']}, until" in done.stderr


def test_scopes_that_are_not_granted_get_the_right_pronoun(deployment: Sandbox) -> None:
    one = login(make_env(deployment), "--scope", "no:a", "--scope", "queue:*")
    assert "Not granted: no:a. You do not hold it on" in one.stderr
    both = ["--scope", "no:a", "--scope", "no:b", "--scope", "queue:*"]
    two = login(make_env(deployment), "--reset", *both)
    assert "Not granted: no:a, no:b. You do not hold them on" in two.stderr


def test_quiet_keeps_errors_and_reports(deployment: Sandbox) -> None:
    env = make_env(deployment)
    done = tcenv("login", "--shell", "bash", "-q", env=env)
    assert (done.returncode, done.stderr) == (0, "")
    assert "TASKCLUSTER_ACCESS_TOKEN" in done.stdout
    reused = run_in_terminal(TCENV, "login", "--quiet", "--shell", "bash", env=env)
    assert (reused[0], reused[2]) == (0, "")
    assert "client: " in tcenv("status", "-q", env=env).stdout
    assert tcenv("doctor", env={**env, "TCENV_QUIET": "1"}).stderr == ""
    assert tcenv("logout", "--shell", "bash", "--quiet", env=env).stderr == ""
    refused = tcenv("env", "--shell", "bash", "-q", env=env)
    assert refused.returncode == 3
    assert "Not signed in" in refused.stderr
    assert "tcenv login" in refused.stderr


def test_quiet_shows_the_address_if_no_browser_starts(deployment: Sandbox) -> None:
    env = make_env(deployment, BROWSER="/nosuch/browser %s")
    _, _, output = run_in_terminal(TCENV, "login", "-q", "--shell", "bash", "--timeout", "1s", env=env)
    assert f"{deployment.root_url}/auth/clients/create?" in output
    assert "To approve" not in output


def test_verbose_lists_every_step_and_no_secret(deployment: Sandbox) -> None:
    env = make_env(deployment)
    done = tcenv("login", "--shell", "bash", "-v", env=env)
    token = read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"]
    for output in (
        f"deployment {deployment.root_url}",
        "Store runtime in ",
        "There is no stored session.",
        "Listening on port ",
        "Starting the browser ",
        f"GET {deployment.root_url}/api/auth/v1/clients/",
        "Setting TASKCLUSTER_ROOT_URL, ",
    ):
        assert output.lower() in done.stderr.lower(), output
    assert token not in done.stderr
    # The callback's path is secret during the wait, so only the browser's address contains it.
    logged = [line for line in done.stderr.splitlines() if not line.startswith("  ")]
    assert not re.search(r"[0-9a-f]{40}", "\n".join(logged))
    again = tcenv("env", "--shell", "bash", env={**env, "TCENV_VERBOSE": "1"})
    assert again.returncode == 0
    assert "Store runtime in " in again.stderr
    assert token not in again.stderr


def test_quiet_excludes_verbose_and_neither_reaches_a_command(deployment: Sandbox) -> None:
    env = sign_in(deployment)
    assert "Use either --quiet or --verbose." in tcenv("status", "-q", "-v", env=env).stderr
    done = tcenv("exec", "-q", "--", "echo", "-q", "--verbose", env=env)
    assert (done.stdout, done.stderr) == ("-q --verbose\n", "")


def test_the_locale_c_gets_ascii(deployment: Sandbox) -> None:
    env = make_env(deployment, LC_ALL="C", TERM="xterm-256color")
    output = sign_in_on_terminal(env)
    assert output.isascii()
    assert f'Approve "{NAME}"' in output
    status, _, report = run_in_terminal(TCENV, "status", env=env, output=True)
    assert status == 0
    assert report.isascii()


def test_the_scopes_of_status_form_one_column(deployment: Sandbox) -> None:
    long = "queue:create-task:highest:proj-sandbox/" + "x" * 60
    for scopes in ([long, "queue:scheduler-id:a"], ["queue:scheduler-id:a", "queue:scheduler-id:b"]):
        env = sign_in(deployment, TCENV_SCOPE=" ".join(scopes), TCENV_RESET="1")
        screen = strip_escapes(run_in_terminal(TCENV, "status", env=env, columns=80, output=True)[2])
        places = {line.index(scope) for line in screen.splitlines() for scope in scopes if scope in line}
        assert len(places) == 1, screen


def test_the_list_of_profiles_has_heads_and_marks_the_default(deployment: Sandbox) -> None:
    env = sign_in(deployment)
    assert tcenv("profile", "set", "main", "--root-url", "https://tc.example.com", "--default", env=env).returncode == 0
    screen = strip_escapes(run_in_terminal(TCENV, "profile", "list", env=env, columns=140, output=True)[2]).splitlines()
    assert screen[0].split() == ["PROFILE", "ROOT", "URL", "LEFT", "CLIENT"]
    assert screen[1].split()[:3] == ["*", "main", "https://tc.example.com"]
    assert screen[1].index("main") == screen[0].index("PROFILE") == screen[2].index("http_localhost")
    # In a pipe, one tab separates two columns.
    lines = tcenv("profile", "list", env=env).stdout.splitlines()
    assert lines[1] == "*\tmain\thttps://tc.example.com\tnot signed in"
