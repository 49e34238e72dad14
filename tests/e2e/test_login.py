"""Sign in and evaluate the statements in every real shell."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tcenv.sandbox import Sandbox
from tests.login_process import start_login
from tests.programs import require, run_program
from tests.shells.real import POSIX, SHELLS, RealShell, read_environment
from tests.world import (
    APPROVE,
    HOSTILE_USER,
    NAME,
    TCENV,
    VARIABLES,
    find_session_file,
    login,
    make_env,
    make_loaded_value,
    read_session_fields,
    sign_in,
    tcenv,
)

ids = [shell.name for shell in SHELLS]


pytestmark = pytest.mark.deployment(user=HOSTILE_USER, token_factory=lambda: "-_" + "aB3" * 14)


def add_shell_option(shell: RealShell, text: str) -> str:
    """Add the shell's name for nushell. The other shells are detected."""
    return f"{text} --shell nu" if shell.name == "nu" else text


@pytest.mark.parametrize("shell", SHELLS, ids=ids)
def test_login_sets_exact_values_and_unsets_a_stale_certificate(
    shell: RealShell, deployment: Sandbox, tmp_path: Path
) -> None:
    env = make_env(deployment, TASKCLUSTER_CERTIFICATE="stale", TASKCLUSTER_CLIENT_ID="old")
    out = tmp_path / "env.json"
    line = shell.make_evaluation(add_shell_option(shell, "tcenv login"))
    done = shell.run(shell.chain.format(line, shell.make_dump(out)), env)
    assert out.exists(), done.stderr
    after = read_environment(out)
    assert {name: after.get(name) for name in VARIABLES} == {
        "TASKCLUSTER_ROOT_URL": deployment.root_url,
        "TASKCLUSTER_CLIENT_ID": f"{HOSTILE_USER}/{NAME}",
        "TASKCLUSTER_ACCESS_TOKEN": "-_" + "aB3" * 14,
        "TASKCLUSTER_CERTIFICATE": None,
        "TCENV_PROFILE": f"http_localhost_{deployment.port}",
        "TCENV_EXPIRES": read_session_fields(env)["TCENV_EXPIRES"],
        "TCENV_LOADED": make_loaded_value(env, before=deployment.root_url),
    }
    assert done.stdout == ""


@pytest.mark.parametrize("shell", SHELLS, ids=ids)
def test_a_failing_login_fails_the_evaluation_and_changes_nothing(
    shell: RealShell, deployment: Sandbox, tmp_path: Path
) -> None:
    env = make_env(
        deployment, TASKCLUSTER_CLIENT_ID="old", TASKCLUSTER_ACCESS_TOKEN="kept", TASKCLUSTER_CERTIFICATE="c"
    )
    deployed, out = tmp_path / "deployed", tmp_path / "env.json"
    line = shell.make_evaluation(add_shell_option(shell, "tcenv login --expires banana"))
    shell.run(shell.chain.format(line, f"touch {deployed}"), env)
    assert not deployed.exists()
    # If the script goes on, its next statement sees the former variables.
    attempt = {
        "elvish": "try {{ {} }} catch e {{ nop }}",
        "nu": "try {{ {} }}",
        "xonsh": "try:\n    {}\nexcept Exception:\n    pass",
        "powershell": "try {{ {} }} catch {{ }}",
    }
    done = shell.run(attempt.get(shell.name, "{}").format(line) + "\n" + shell.make_dump(out), env)
    assert out.exists(), done.stderr
    after = read_environment(out)
    assert (after["TASKCLUSTER_CLIENT_ID"], after["TASKCLUSTER_ACCESS_TOKEN"], after["TASKCLUSTER_CERTIFICATE"]) == (
        "old",
        "kept",
        "c",
    )
    assert "TCENV_PROFILE" not in after
    assert deployment.approvals == 0


@pytest.mark.parametrize("shell", SHELLS, ids=ids)
def test_logout_unsets_everything(shell: RealShell, deployment: Sandbox, tmp_path: Path) -> None:
    env = sign_in(deployment)
    out = tmp_path / "env.json"
    loaded = dict.fromkeys(VARIABLES, "x")
    loaded["TASKCLUSTER_ROOT_URL"] = deployment.root_url
    loaded["TCENV_PROFILE"] = f"http_localhost_{deployment.port}"
    loaded["TCENV_LOADED"] = make_loaded_value(env)
    line = shell.make_evaluation(add_shell_option(shell, "tcenv logout"))
    done = shell.run(shell.chain.format(line, shell.make_dump(out)), {**env, **loaded})
    assert out.exists(), done.stderr
    after = read_environment(out)
    assert not [name for name in VARIABLES if name in after]
    assert not list(find_session_file(env, "x").parent.glob("*.session"))


@pytest.mark.parametrize("shell", POSIX, ids=[shell.name for shell in POSIX])
@pytest.mark.parametrize("form", ["eval $({})", "eval `{}`"])
def test_unquoted_evaluation_works(shell: RealShell, form: str, deployment: Sandbox, tmp_path: Path) -> None:
    env = make_env(deployment)
    out = tmp_path / "env.json"
    done = shell.run(f"{form.format('tcenv login')} && {shell.make_dump(out)}", env)
    assert out.exists(), done.stderr
    assert read_environment(out)["TASKCLUSTER_CLIENT_ID"] == f"{HOSTILE_USER}/{NAME}"


def test_the_second_login_needs_no_browser(deployment: Sandbox) -> None:
    env = sign_in(deployment)
    first = tcenv("env", "--shell", "bash", env=env)
    again = tcenv("login", "--shell", "bash", env={**env, "BROWSER": "false"})
    assert (again.returncode, again.stdout, again.stderr) == (0, first.stdout, "")
    assert deployment.approvals == 1


def test_login_and_env_keep_to_their_streams_and_statuses(deployment: Sandbox) -> None:
    env = make_env(deployment)
    missing = tcenv("env", "--shell", "bash", env=env)
    assert (missing.returncode, missing.stdout) == (3, "\\false;\n")
    assert "tcenv login" in missing.stderr
    late = tcenv("login", "--shell", "fish", "--timeout", "1s", env={**env, "BROWSER": "true"})
    assert (late.returncode, late.stdout) == (124, "false;\n")
    assert f"{deployment.root_url}/auth/clients/create?" in late.stderr
    usage = tcenv("login", "--no-such-option", "--shell", "tcsh", env=env)
    assert (usage.returncode, usage.stdout) == (2, "false;\n")
    again = tcenv("login", "--shell", "bash", env=env)
    assert (again.returncode, again.stdout) == (3, "\\false;\n")
    assert "--retry" in again.stderr
    good = tcenv("login", "--shell", "bash", "--retry", env=env)
    assert good.returncode == 0
    token = read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"]
    assert token in good.stdout
    assert token not in good.stderr


@pytest.mark.signals
def test_ctrl_c_during_the_wait_fails_the_evaluation(deployment: Sandbox) -> None:
    process, _ = start_login(make_env(deployment))
    process.send_signal(2)
    out, _ = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "\\false;\n")


@pytest.mark.parametrize(
    ("arguments", "accepted"),
    [
        (["--expires", "2026-01-01T00:00:00Z"], "8h"),
        (["--expires", "0d"], "8h"),
        (["--name", "with space"], "letters, digits"),
        (["--name", ""], "letters, digits"),
        (["--description", "x" * 10_241], "10,240"),
        (["--scope", "bad\nscope"], "ASCII"),
        ([word for n in range(21) for word in ("--scope", f"s:{n}")], "1 to 20"),
        (["--scope", "queue:**"], "One * at the end"),
        (["--description", "é" * 2000], "8,000"),
        ([word for n in range(15) for word in ("--scope", f"secrets:get:{'x' * 600}{n}")], "8,000"),
        (["--flow", "other"], "create"),
        (["--root-url", "http://example.com"], "https://"),
    ],
)
def test_an_invalid_request_is_refused_before_a_browser_opens(
    arguments: list[str], accepted: str, deployment: Sandbox
) -> None:
    done = tcenv("login", "--shell", "bash", *arguments, env=make_env(deployment))
    assert (done.returncode, done.stdout) == (2, "\\false;\n")
    assert accepted in done.stderr
    assert not deployment.requests


def test_scopes_that_are_not_granted_are_named(deployment: Sandbox) -> None:
    done = login(make_env(deployment), "--scope", "queue:scheduler-id:a", "--scope", "secrets:get:not/mine")
    assert done.returncode == 0
    assert "secrets:get:not/mine" in done.stderr
    assert "queue:scheduler-id:a" not in done.stderr.split("Not granted", 1)[1]


def test_the_older_page_resets_the_same_client(deployment: Sandbox) -> None:
    env = make_env(deployment, TCENV_FLOW="new")
    assert login(env).returncode == 0
    assert tcenv("logout", "--shell", "sh", env=env).returncode == 0
    assert login(env).returncode == 0
    assert list(deployment.clients) == [f"{HOSTILE_USER}/{NAME}"]
    assert deployment.approvals == 2


@pytest.mark.linux
def test_credentials_that_the_deployment_rejects_are_not_used(deployment: Sandbox, tmp_path: Path) -> None:
    forger = tmp_path / "forger.py"
    forger.write_text(
        "import sys, urllib.parse\n"
        "from tcenv.sandbox.approve import visit\n"
        "q = urllib.parse.parse_qs(urllib.parse.urlsplit(sys.argv[1]).query)\n"
        "visit(q['callback_url'][0] + '?clientId=evil/client&accessToken=' + 'x' * 44)\n"
    )
    env = make_env(
        deployment, BROWSER=f"{sys.executable} {forger} %s", TASKCLUSTER_CLIENT_ID="old", TCENV_TIMEOUT="40s"
    )
    # The login waits for the genuine answer, which does not come, so its clock runs fast.
    done = run_program(require("faketime"), "-f", "+0 x4", TCENV, "login", "--shell", "sh", env=env)
    assert (done.returncode, done.stdout) == (1, "\\false;\n")
    assert "no longer exists" in done.stderr
    assert not list(find_session_file(env, "x").parent.glob("*.session"))


def test_a_browser_that_stays_open_delays_nothing(deployment: Sandbox, tmp_path: Path) -> None:
    browser, end = tmp_path / "browser.py", tmp_path / "end"
    browser.write_text(
        "import os, sys, time\n"
        "print('noise ' * 1000, flush=True); print('noise', file=sys.stderr, flush=True)\n"
        "from tcenv.sandbox.approve import approve\n"
        "approve(sys.argv[1])\n"
        f"while not os.path.exists({str(end)!r}):\n    time.sleep(0.05)\n"
    )
    env = make_env(deployment, BROWSER=f"{sys.executable} {browser} %s")
    try:
        done = run_program(
            "bash", "-c", 'out=$(tcenv login --shell bash) && eval "$out" && echo "$TASKCLUSTER_CLIENT_ID"', env=env
        )
    finally:
        end.touch()
    assert done.stdout == f"{HOSTILE_USER}/{NAME}\n"
    assert "noise" not in done.stderr


def test_no_browser_accepts_a_pasted_address(deployment: Sandbox) -> None:
    process, url = start_login(make_env(deployment), "--no-browser", stdin=subprocess.PIPE)
    assert process.stdin is not None
    callback = parse_qs(urlsplit(url).query)["callback_url"][0]
    client = deployment.create_client(f"{HOSTILE_USER}/{NAME}", ["queue:scheduler-id:a"])
    process.stdin.write("not the address\n")
    process.stdin.write(f"{callback}?clientId={client.client_id}&accessToken={client.access_token}\n")
    process.stdin.flush()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert f"TASKCLUSTER_CLIENT_ID='{client.client_id}'" in out
    assert "not the address" in err
    assert client.access_token not in err


def test_only_the_session_file_holds_the_token(deployment: Sandbox, home: Path) -> None:
    env = sign_in(deployment)
    token = read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"]
    holders = [path for path in home.rglob("*") if path.is_file() and token in path.read_text(errors="replace")]
    assert holders == [find_session_file(env)]
    assert find_session_file(env).stat().st_mode & 0o777 == 0o600
    assert find_session_file(env).parent.stat().st_mode & 0o777 == 0o700


# Runs the full command line in place of the hot path.
_FULL = (
    "import sys\nfrom tcenv import hotpath\nhotpath.run = lambda words, *_: None\n"
    "from tcenv.__main__ import main\nsys.exit(main())\n"
)


def test_login_with_a_live_session_prints_one_line(deployment: Sandbox) -> None:
    """The line goes to stderr if that is a terminal. The hot path and the full command line print the same."""
    import pty

    env = sign_in(deployment)

    def shown(*command: str) -> str:
        ours, theirs = pty.openpty()
        done = subprocess.run(
            [*command, "login", "--shell", "sh"],
            env={**env, "COLUMNS": "300"},
            stdout=subprocess.PIPE,
            stderr=theirs,
            timeout=60,
            check=True,
        )
        os.close(theirs)
        assert b"TASKCLUSTER_ACCESS_TOKEN" in done.stdout
        try:
            return os.read(ours, 65536).decode()
        finally:
            os.close(ours)

    output = shown(TCENV)
    assert len(output.splitlines()) == 1
    assert f"http://localhost:{deployment.port}: signed in as {HOSTILE_USER}/{NAME}, " in output
    assert shown(sys.executable, "-c", _FULL).split(",")[0] == output.split(",")[0]
    done = login(env, "--expires", "3d", "--timeout", "1m")
    assert done.returncode == 0
    assert "--expires, --timeout have no effect" in done.stderr
    line = f"tcenv login {deployment.root_url} --reset --expires 3d --timeout 1m"
    assert line in done.stderr
    again = tcenv(*line.split()[1:], "--shell", "sh", env={**env, "BROWSER": "false"})
    assert again.returncode == 0
    assert "no effect" not in again.stderr
    assert deployment.approvals == 1


def test_an_expiring_session_is_renewed_and_a_live_one_is_not(deployment: Sandbox) -> None:
    # This browser runs by the same clock.
    env = make_env(deployment, BROWSER=APPROVE)
    now = int(time.time())
    for offset, approvals in ((0, 1), (49 * 60, 1), (55 * 60, 2)):
        deployment.clock_offset = offset
        done = run_program(
            require("faketime"), f"@{now + offset}", TCENV, "login", "--shell", "sh", "--expires", "1h", env=env
        )
        assert done.returncode == 0, done.stderr
        assert deployment.approvals == approvals
