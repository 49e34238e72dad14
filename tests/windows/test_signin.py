"""Sign in, reset and sign out on Windows, with several profiles and at the same time."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tcenv.sandbox import Sandbox
from tests.windows.world import PYTHON, TCENV, make_env, store_session, tcenv


def find_token(output: bytes) -> bytes:
    return next(line for line in output.splitlines() if b"ACCESS_TOKEN" in line)


def test_sign_in_reset_and_sign_out(deployment: Sandbox) -> None:
    env = make_env(deployment)
    first = tcenv("login", "--shell", "powershell", env=env)
    assert first.returncode == 0, first.stderr
    assert b"Signed in as" in first.stderr
    assert tcenv("env", "--shell", "powershell", env=env).stdout == first.stdout
    status = tcenv("status", env=env)
    assert (status.returncode, b"verified" in status.stdout) == (0, True), status.stderr
    second = tcenv("login", "--reset", "--shell", "powershell", env=env)
    assert second.returncode == 0, second.stderr
    assert find_token(second.stdout) != find_token(first.stdout)
    out = tcenv("logout", "--shell", "powershell", env=env)
    assert (out.returncode, b"Signed out" in out.stderr) == (0, True), out.stderr
    assert tcenv("env", "--shell", "powershell", env=env).returncode == 3


def test_each_profile_has_its_session(deployment: Sandbox, home: Path) -> None:
    env = make_env(deployment)
    for name in ("work", "play"):
        done = tcenv("profile", "set", name, "--root-url", deployment.root_url, env=env)
        assert done.returncode == 0, done.stderr
        done = tcenv("login", name, "--shell", "powershell", env=env)
        assert done.returncode == 0, done.stderr
    shown = tcenv("profile", "list", env=env)
    assert shown.returncode == 0, shown.stderr
    assert (shown.stdout.count(b"work"), shown.stdout.count(b"play")) >= (1, 1)
    assert (home / "AppData/Roaming/tcenv/config.toml").is_file()
    assert (home / "AppData/Local/tcenv/keyring/work.session").is_file()
    assert sorted(path.name for path in home.iterdir()) == ["AppData"]
    done = tcenv("logout", "--all", "--shell", "powershell", env=env)
    assert done.returncode == 0, done.stderr
    assert not list((home / "AppData/Local/tcenv/keyring").iterdir())


def test_xdg_variables_choose_the_folders(deployment: Sandbox, home: Path) -> None:
    places = {f"XDG_{kind}_HOME": str(home / kind) for kind in ("CONFIG", "STATE", "CACHE")}
    env = make_env(deployment, **places)
    assert tcenv("profile", "set", "work", "--root-url", deployment.root_url, env=env).returncode == 0
    assert tcenv("login", "work", "--shell", "powershell", env=env).returncode == 0
    assert (home / "CONFIG/tcenv/config.toml").is_file()
    assert (home / "STATE/tcenv/keyring/work.session").is_file()
    assert not (home / "AppData/Local/tcenv").exists()
    assert tcenv("logout", "work", "--shell", "cmd", env=env).returncode == 0


def test_five_sign_ins_at_once_open_one_browser(deployment: Sandbox, home: Path) -> None:
    script = home / "browser.py"
    script.write_text(
        f"import sys\nopen({str(home / 'opened')!r}, 'a').write('x')\n"
        "from tcenv.sandbox.approve import main\nsys.exit(main(['--wait', '1', *sys.argv[1:]]))\n"
    )
    browser = f'"{Path(PYTHON).as_posix()}" "{script.as_posix()}" %s'
    env = make_env(deployment, BROWSER=browser)
    runs = [
        subprocess.Popen(
            [TCENV, "login", "--shell", "powershell"],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for _ in range(5)
    ]
    done = [run.communicate(timeout=120) for run in runs]
    assert [run.returncode for run in runs] == [0] * 5, done
    assert len({find_token(output) for output, _ in done}) == 1
    assert (home / "opened").read_text() == "x"


def test_exec_signs_in_for_its_command(deployment: Sandbox) -> None:
    env = make_env(deployment)
    program = "import os; print(os.environ['TASKCLUSTER_CLIENT_ID'])"
    done = tcenv("exec", "--", PYTHON, "-c", program, env=env)
    assert (done.returncode, b"tcenv-" in done.stdout) == (0, True), done.stderr
    assert tcenv("exec", "--", PYTHON, "-c", "raise SystemExit(7)", env=store_session(deployment)).returncode == 7
