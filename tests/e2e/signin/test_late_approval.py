"""An approval that comes when its sign-in has ended: nobody gets it, its client goes, and the page says so."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tcenv.sandbox import Sandbox
from tcenv.sandbox.approve import _approved
from tests.waiting import Waiting
from tests.world import NAME, environ, holder_process, session_fields, tcenv

ENDINGS = ("SIGKILL", "SIGTERM", "SIGINT", "timeout")
FAMILIES = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))


@pytest.fixture
def deployment() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


def runtime(env: dict[str, str]) -> Path:
    return Path(env["XDG_RUNTIME_DIR"])


def holder(env: dict[str, str]) -> int:
    """The holder's process, which may be about to start."""
    found = eventually(lambda: holder_process(runtime(env)))
    assert found is not None
    return found


def eventually(look: Callable[[], int | None], seconds: float = 30) -> int | None:
    end = time.monotonic() + seconds
    while not (found := look()) and time.monotonic() < end:
        time.sleep(0.01)
    return found


def ended(sandbox: Sandbox, folder: Path, ending: str, *arguments: str, **more: str) -> Waiting:
    """A sign-in whose page is open, and which has come to an end otherwise than by an answer."""
    folder.mkdir(exist_ok=True)
    timeout = ("--timeout", "1s") if ending == "timeout" else ()
    waiting = Waiting(sandbox, folder, "--retry", *timeout, *arguments, **more)
    if ending != "timeout":
        waiting.process.send_signal(getattr(signal, ending))
    status, out, _ = waiting.end()
    assert status == {"SIGKILL": -9, "SIGTERM": 143, "SIGINT": 130, "timeout": 124}[ending]
    assert "TASKCLUSTER" not in out
    return waiting


def page(url: str, **more: str) -> str:
    """Press Save on the page that is still open; what the browser ends on, as text."""
    answer = _approved(url, more.get("rename"), 0.0, None, False)
    assert answer.status == 200
    return unescape(answer.text.replace("<i>", "").replace("</i>", ""))


def is_free(port: int) -> bool:
    for family, address in FAMILIES:
        with socket.socket(family) as other:
            try:
                other.bind((address, port))
            except OSError:
                return False
    return True


@pytest.mark.parametrize("ending", ENDINGS)
def test_its_client_is_deleted_and_the_page_says_so(ending: str, deployment: Sandbox, tmp_path: Path) -> None:
    waiting = ended(deployment, tmp_path, ending)
    port = urlsplit(waiting.callback).port or 0
    assert not is_free(port)
    text = page(waiting.url)
    assert "This sign-in has ended" in text
    assert f"{deployment.user}/{NAME}" in text
    assert "It was deleted" in text
    assert "terminal" not in text
    assert not deployment.clients
    assert not is_free(port)
    # Its name is free, and the same again.
    done = tcenv("login", "--shell", "sh", "--retry", env=environ(deployment))
    assert done.returncode == 0, done.stderr
    assert session_fields(waiting.env)["TASKCLUSTER_CLIENT_ID"] == f"{deployment.user}/{NAME}"


def test_a_client_without_the_right_is_deleted_by_the_profiles_session(deployment: Sandbox, tmp_path: Path) -> None:
    env = environ(deployment, TCENV_SCOPE="queue:x auth:delete-client:*")
    assert tcenv("login", "--shell", "sh", env=env).returncode == 0
    own = session_fields(env)["TASKCLUSTER_CLIENT_ID"]
    waiting = ended(deployment, tmp_path, "SIGTERM", "--reset", "--no-self-delete", TCENV_SCOPE="queue:y")
    assert "It was deleted" in page(waiting.url)
    assert list(deployment.clients) == [own]


def test_where_nothing_may_delete_it_the_page_says_where_to(deployment: Sandbox, tmp_path: Path) -> None:
    waiting = ended(deployment, tmp_path, "SIGKILL", "--no-self-delete", TCENV_SCOPE="queue:y")
    text = page(waiting.url)
    assert "It was not deleted: neither its token nor a session of yours may do that." in text
    (client_id,) = deployment.clients
    assert f'<a href="{deployment.root_url}/auth/clients/{client_id.replace("|", "%7C").replace("/", "%2F")}">' in text
    # The next sign-in, which may, ends it: no name is used up.
    done = tcenv("login", "--shell", "sh", "--retry", env=environ(deployment))
    assert done.returncode == 0, done.stderr
    assert "whose session was lost, is deleted" in done.stderr


def test_no_other_client_is_deleted(deployment: Sandbox, tmp_path: Path) -> None:
    """A name that was changed on the page, another user's, one that a session has, and one whose token is wrong."""
    env = environ(deployment, TCENV_SCOPE="auth:delete-client:*")
    assert tcenv("login", "--shell", "sh", env=env).returncode == 0
    own = session_fields(env)
    waiting = ended(deployment, tmp_path, "SIGTERM", "--reset", "--name", "other", TCENV_SCOPE="queue:y")
    assert own["TASKCLUSTER_CLIENT_ID"] in deployment.clients
    assert "It was not deleted: it has not the name" in page(waiting.url, rename=f"{deployment.user}/changed")
    theirs = deployment.create_client("mozilla-auth0/mallory/other", ["*"])
    assert "it is not one of yours" in late(waiting, theirs.client_id, theirs.access_token)
    waiting = ended(deployment, tmp_path / "2", "SIGTERM", "--reset", "--name", NAME, TCENV_SCOPE="queue:y")
    assert "was not deleted" in late(waiting, own["TASKCLUSTER_CLIENT_ID"], "A" * 44)
    assert "a session of yours has it" in late(waiting, own["TASKCLUSTER_CLIENT_ID"], own["TASKCLUSTER_ACCESS_TOKEN"])
    assert {f"{deployment.user}/changed", theirs.client_id, own["TASKCLUSTER_CLIENT_ID"]} <= set(deployment.clients)


def late(waiting: Waiting, client_id: str, access_token: str) -> str:
    """Answer with these credentials, and follow to the page."""
    import urllib.request

    url = f"{waiting.callback}?clientId={client_id.replace('|', '%7C')}&accessToken={access_token}"
    with urllib.request.urlopen(url, timeout=60) as answer:
        return unescape(answer.read().decode().replace("<i>", "").replace("</i>", ""))
