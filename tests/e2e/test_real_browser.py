"""The whole of it with nothing played: a real Chromium clicks through both pages, a real shell evaluates what comes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser

from tcenv.sandbox import Sandbox
from tests.chromium import approve, open_page
from tests.shells.real import BY_NAME, read_environment
from tests.world import HOSTILE_USER, NAME, TCENV, VARIABLES, make_env, make_loaded_value, read_session_fields, tcenv

PROJECT = Path(__file__).parents[2]


@pytest.mark.parametrize("flow", ["create", "new"])
@pytest.mark.parametrize("name", ["bash", "zsh", "fish", "sh", "tcsh"])
def test_chromium_into_a_shell(name: str, flow: str, tmp_path: Path) -> None:
    shell = BY_NAME[name]
    with Sandbox(user=HOSTILE_USER) as sandbox:
        if flow == "new":
            # The page then asks what to do about the name, and the first button resets the token.
            sandbox.create_client(f"{HOSTILE_USER}/{NAME}")
        env = make_env(
            sandbox,
            BROWSER=f"{sys.executable} -m tests.chromium %s",
            PYTHONPATH=str(PROJECT),
            TCENV_FLOW=flow,
            TCENV_TIMEOUT="60s",
        )
        out = tmp_path / "env.json"
        done = shell.run(
            shell.chain.format(shell.make_evaluation("tcenv login"), shell.make_dump(out)), env, timeout=90
        )
        assert out.exists(), done.stderr
        after = read_environment(out)
        fields = read_session_fields(env)
        assert {variable: after.get(variable) for variable in VARIABLES} == {
            **{variable: fields.get(variable) for variable in VARIABLES},
            "TASKCLUSTER_CLIENT_ID": f"{HOSTILE_USER}/{NAME}",
            "TASKCLUSTER_CERTIFICATE": None,
            # Where the root URL goes back to: this shell had it before.
            "TCENV_LOADED": make_loaded_value(env, before=sandbox.root_url),
        }
        assert sandbox.clients[after["TASKCLUSTER_CLIENT_ID"]].access_token == after["TASKCLUSTER_ACCESS_TOKEN"]
        assert len(sandbox.clients) == 1


def test_what_the_person_sees(browser: Browser) -> None:
    """The page says who, where and until when; it and the address bar hold no token."""
    with Sandbox(user=HOSTILE_USER) as sandbox, open_page(browser) as page:
        process = subprocess.Popen(
            [TCENV, "login", "--shell", "sh", "--scope", "queue:scheduler-id:a", "--scope", "secrets:get:not/mine"],
            env=make_env(sandbox, BROWSER="true"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        url = ""
        while not url:
            line = process.stderr.readline().strip()
            url = line if line.startswith("http://") else ""
        approve(page, url)
        page.wait_for_selector("h1:has-text('signed in')")
        text = page.inner_text("body")
        assert f"{HOSTILE_USER}/{NAME}" in text
        assert urlsplit(sandbox.root_url).netloc in text
        assert "secrets:get:not/mine" in text
        assert process.wait(60) == 0
        assert process.stdout is not None
        token = re.search(r"ACCESS_TOKEN='([^']+)'", process.stdout.read())
        assert token is not None
        assert token[1] not in page.content()
        assert token[1] not in page.url
        assert parse_qs(urlsplit(page.url).query) == {}


def test_the_page_tells_of_a_taken_name_and_the_wait_goes_on(browser: Browser) -> None:
    with Sandbox() as sandbox, open_page(browser) as page:
        sandbox.create_client(f"{sandbox.user}/{NAME}")
        env = make_env(sandbox, BROWSER="true")
        process = subprocess.Popen(
            [TCENV, "login", "--shell", "sh"], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stderr is not None
        url = ""
        while not url:
            line = process.stderr.readline().strip()
            url = line if line.startswith("http://") else ""
        page.goto(url)
        page.click("#save")
        page.wait_for_selector("#error:has-text('already exists')")
        # What the wait advises: another Client ID on that page.
        page.fill("#client-id", f"{sandbox.user}/my-laptop")
        page.click("#save")
        page.wait_for_selector("h1:has-text('signed in')")
        assert process.wait(60) == 0
        assert read_session_fields(env)["TASKCLUSTER_CLIENT_ID"] == f"{sandbox.user}/my-laptop"
        # Tomorrow that name is asked for by itself, as long as the first one is taken.
        tcenv("logout", "--delete-client", "--shell", "sh", env=env)
        assert tcenv("login", "--shell", "sh", env=make_env(sandbox)).returncode == 0
        assert read_session_fields(env)["TASKCLUSTER_CLIENT_ID"] == f"{sandbox.user}/{NAME}@2"
