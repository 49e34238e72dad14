"""Sign in with a real Chromium that clicks through both pages, and a real shell that evaluates the output."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser

from tcenv.sandbox import Sandbox
from tests.chromium import approve, open_page
from tests.login_process import start_login
from tests.shells.real import BY_NAME, read_environment
from tests.world import HOSTILE_USER, NAME, VARIABLES, login, make_env, make_loaded_value, read_session_fields, tcenv

PROJECT = Path(__file__).parents[2]


# What a shell makes of the statements does not depend on the page.
@pytest.mark.parametrize(("name", "flow"), [("bash", "create"), ("zsh", "new"), ("fish", "create")])
@pytest.mark.deployment(user=HOSTILE_USER)
def test_a_sign_in_through_chromium_reaches_the_shell(
    name: str, flow: str, tmp_path: Path, deployment: Sandbox
) -> None:
    shell = BY_NAME[name]
    if flow == "new":
        # The page asks what to do about the taken name. Its first button resets the token.
        deployment.create_client(f"{HOSTILE_USER}/{NAME}")
    env = make_env(
        deployment,
        BROWSER=f"{sys.executable} -m tests.chromium %s",
        PYTHONPATH=str(PROJECT),
        TCENV_FLOW=flow,
        TCENV_TIMEOUT="60s",
    )
    out = tmp_path / "env.json"
    done = shell.run(shell.chain.format(shell.make_evaluation("tcenv login"), shell.make_dump(out)), env, timeout=90)
    assert out.exists(), done.stderr
    after = read_environment(out)
    fields = read_session_fields(env)
    assert {variable: after.get(variable) for variable in VARIABLES} == {
        **{variable: fields.get(variable) for variable in VARIABLES},
        "TASKCLUSTER_CLIENT_ID": f"{HOSTILE_USER}/{NAME}",
        "TASKCLUSTER_CERTIFICATE": None,
        # `tcenv logout` restores the root URL that this shell had before.
        "TCENV_LOADED": make_loaded_value(env, before=deployment.root_url),
    }
    assert deployment.clients[after["TASKCLUSTER_CLIENT_ID"]].access_token == after["TASKCLUSTER_ACCESS_TOKEN"]
    assert len(deployment.clients) == 1


@pytest.mark.deployment(user=HOSTILE_USER)
def test_the_final_page_shows_the_session_and_no_token(browser: Browser, deployment: Sandbox) -> None:
    """The page says who, where and until when. Neither the page nor its address holds a token."""
    with open_page(browser) as page:
        scopes = ("--scope", "queue:scheduler-id:a", "--scope", "secrets:get:not/mine")
        process, url = start_login(make_env(deployment), *scopes)
        approve(page, url)
        page.wait_for_selector("h1:has-text('signed in')")
        text = page.inner_text("body")
        assert f"{HOSTILE_USER}/{NAME}" in text
        assert urlsplit(deployment.root_url).netloc in text
        assert "secrets:get:not/mine" in text
        assert process.wait(60) == 0
        assert process.stdout is not None
        token = re.search(r"ACCESS_TOKEN='([^']+)'", process.stdout.read())
        assert token is not None
        assert token[1] not in page.content()
        assert token[1] not in page.url
        assert parse_qs(urlsplit(page.url).query) == {}


def test_the_page_tells_of_a_taken_name_and_the_wait_goes_on(browser: Browser, deployment: Sandbox) -> None:
    with open_page(browser) as page:
        deployment.create_client(f"{deployment.user}/{NAME}")
        env = make_env(deployment)
        process, url = start_login(env)
        page.goto(url)
        page.click("#save")
        page.wait_for_selector("#error:has-text('already exists')")
        # tcenv advises another Client ID on that page.
        page.fill("#client-id", f"{deployment.user}/my-laptop")
        page.click("#save")
        page.wait_for_selector("h1:has-text('signed in')")
        assert process.wait(60) == 0
        assert read_session_fields(env)["TASKCLUSTER_CLIENT_ID"] == f"{deployment.user}/my-laptop"
        # The next sign-in requests a free name by itself.
        tcenv("logout", "--delete-client", "--shell", "sh", env=env)
        assert login(make_env(deployment)).returncode == 0
        assert read_session_fields(env)["TASKCLUSTER_CLIENT_ID"] == f"{deployment.user}/{NAME}@2"
