"""Changes of the code that no test had noticed (see `mutate`), until these."""

from __future__ import annotations

import os
import re
import selectors
import socket
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from tcenv.config import index
from tcenv.deployment.auth import Deployment
from tcenv.deployment.credentials import Credentials
from tcenv.errors import StoreError
from tcenv.portholder.callback_request import Refused, is_complete
from tcenv.sandbox import Sandbox
from tcenv.sessions import known_clients
from tcenv.sessions import session_file as sessionfile
from tcenv.sessions.directory_store import DirectoryStore
from tcenv.sessions.known_clients import KnownClient
from tcenv.sessions.session import RESETTING, Session
from tcenv.sessions.stores import open_store
from tcenv.signin import client_names, reset
from tcenv.signin.client_names import Names
from tcenv.signin.flow import is_usable
from tcenv.signin.listener import Listener, _Connection
from tests.world import NAME, find_session_file, make_env, sign_in, tcenv

ROOT = "https://tc.example.com"


def session(*, state: str = "") -> Session:
    credentials = Credentials("someone/tcenv", "t" * 44)
    return Session("p", ROOT, credentials, 1, 2**33, "tcenv", ("a:b", "c:*"), ("a:b",), state)


@pytest.mark.parametrize("state", ["", RESETTING])
def test_a_session_file_that_is_cut_anywhere_is_damaged(state: str) -> None:
    whole = session(state=state).encode()
    for length in range(len(whole)):
        with pytest.raises(sessionfile.Damaged):
            sessionfile.decode(whole[:length])
    for more in (b"\n", b"x", b"SCOPE=d\n", b"END=\n", whole):
        with pytest.raises(sessionfile.Damaged):
            sessionfile.decode(whole + more)
    lines = whole.splitlines(keepends=True)
    for number in range(len(lines)):
        if not lines[number].startswith((b"ASKED=", b"STATE=")):
            with pytest.raises(sessionfile.Damaged):
                sessionfile.decode(b"".join(lines[:number] + lines[number + 1 :]))
    for key in (b"TCENV_EXPIRES", b"RENEW", b"CREATED"):
        with pytest.raises(sessionfile.Damaged):
            sessionfile.decode(whole.replace(key + b"=", key + b"=-"))


def test_only_whole_sessions_are_listed(tmp_path: Path) -> None:
    store = DirectoryStore("runtime", str(tmp_path / "tcenv"))
    assert store.list_profiles() == []
    store.save(session())
    for name in (".session", ".p.session", ".q.session.1.tmp", "p.lock", "p"):
        (tmp_path / "tcenv" / name).write_bytes(b"")
    assert store.list_profiles() == ["p"]


def test_of_what_was_never_vouched_for_only_the_series_own_is_ended() -> None:
    """A browser may have said anything: the right to delete is asked for what tcenv's names are, and after its process's end."""
    ended = subprocess.Popen(["true"])
    ended.wait()
    end = int(time.time()) + 1000
    ours = KnownClient("tcenv@3", "me/tcenv@3", end, "tcenv-x", confirmed=False, process=ended.pid)
    mine = KnownClient("tcenv-x@3", "me/tcenv-x@3", end, "tcenv-x", confirmed=False, process=ended.pid)
    others = (
        ours,
        KnownClient("tcenv-x@4", "you/tcenv-x@4", end, "tcenv-x", confirmed=False, process=ended.pid),
        KnownClient("precious", "me/precious", end, "tcenv-x", confirmed=False, process=ended.pid),
        KnownClient("tcenv-x@5", "me/tcenv-x@5", end, "tcenv-x", confirmed=False, process=os.getpid()),
        KnownClient("tcenv-x@4", "me/tcenv-x@4", end, "tcenv-x"),
        KnownClient("tcenv-x@4", "me/tcenv-x@4", end, "tcenv-x", made=False, confirmed=False, process=ended.pid),
    )
    found = Names("tcenv-x", "me/", ("tcenv-x@2",), (mine, *others))
    assert found.orphaned == ("tcenv-x@3",)
    assert found.list_deletion_scopes("tcenv-x@2", ("a",)) == tuple(
        f"auth:delete-client:me/{name}" for name in ("tcenv-x@2", "tcenv-x", "tcenv-x@3")
    )


def test_a_process_that_noted_a_client_is_remembered() -> None:
    """Written and read again: what tells an orphan from a sign-in that goes on."""
    client = KnownClient(
        "tcenv-x", "me/tcenv-x", int(time.time()) + 1000, "tcenv-x", confirmed=False, process=os.getpid()
    )
    known_clients.remember(ROOT, client)
    assert known_clients.list_clients(ROOT) == (client,)
    assert not client.is_orphan


def test_where_a_request_is_too_long() -> None:
    """To the byte: a line of 8 KiB with its end, a head of 64 KiB."""
    line = b"GET /" + b"a" * (8192 - 7) + b"\r\n"
    assert not is_complete(line)
    assert not is_complete(line[:8191])
    for longer in (b"G" * 8192, b"G" + line):
        with pytest.raises(Refused):
            is_complete(longer)
    head = b"GET / HTTP/1.1\r\n".ljust(65_536, b"a")
    assert not is_complete(head)
    with pytest.raises(Refused):
        is_complete(head + b"a")


def test_no_socket_of_the_listener_blocks() -> None:
    """A connection that is gone before it is taken would hold up the wait, and Ctrl-C with it."""
    with Listener() as listener:
        assert [server.getblocking() for server in listener._sockets] == [False] * len(listener._sockets)


def test_another_token_is_another_generation(tmp_path: Path) -> None:
    store = DirectoryStore("runtime", str(tmp_path / "tcenv"))
    assert store.read_generation("p") is None
    generations = set()
    for letter in "abc":
        saved = session()
        store.save(replace(saved, credentials=replace(saved.credentials, access_token=letter * 44)))
        generations.add(store.read_generation("p"))
        store.save(replace(store.load("p"), state="resetting"))  # type: ignore[arg-type, type-var]
        generations.add(store.read_generation("p"))
    assert None not in generations and len(generations) == 3
    # A session whose client is no more is no shell's that could have loaded it.
    store.save(store.load("p").mark_ended())  # type: ignore[union-attr]
    assert store.read_generation("p") not in generations


def test_the_index_tells_what_the_configuration_does(home: Path) -> None:
    """Completion asks for the purposes at a keystroke, and the hot path for the store: neither reads anything else."""
    env = make_env()
    (home / ".config/tcenv").mkdir(parents=True)
    (home / ".config/tcenv/config.toml").write_text('store = "file"\n')
    assert tcenv("profile", "set", "w", "--root-url", "https://w.example.com", "--default", env=env).returncode == 0
    for name in ("p", "q"):
        assert tcenv("purpose", "set", name, "--scope", "a", env=env).returncode == 0
    assert tcenv("purpose", "list", env=env).returncode == 0
    known = index.read()
    assert known is not None
    assert (known.store, known.default, known.list_purposes()) == ("file", "w", ["p", "q"])


def test_a_caller_that_has_gone_is_let_go() -> None:
    """Else the wait would spin on a socket that nobody reads."""
    with Listener() as listener:
        ours, theirs = socket.socketpair()
        theirs.sendall(b"nonsense")
        theirs.close()
        connection = _Connection(ours)
        listener._connections[connection] = None
        listener._selector.register(connection.descriptor, selectors.EVENT_READ, connection)
        listener._handle_safely(connection)
        assert not listener._connections
        assert ours.fileno() == -1


def test_a_caller_that_has_its_answer_is_let_go_too() -> None:
    """It may keep its end open for as long as it likes."""
    with Listener() as listener:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.settimeout(60)
        theirs.sendall(b"nonsense\r\n\r\n")
        connection = _Connection(ours)
        listener._connections[connection] = None
        listener._selector.register(connection.descriptor, selectors.EVENT_READ, connection)
        listener._handle_safely(connection)
        assert theirs.recv(100).startswith(b"HTTP/1.1 400 ")
        assert not listener._connections
        assert ours.fileno() == -1
        theirs.close()


def test_the_listener_tells_its_addresses() -> None:
    with Listener() as listener:
        assert set(listener.families) <= {"127.0.0.1", "::1"} and listener.families


@pytest.mark.parametrize(("words", "minutes"), [((), 15), (("--for", "5m"), 5)])
def test_on_the_hot_path_too_a_purpose_lasts_as_long_as_it_says(words: tuple[str, ...], minutes: int) -> None:
    with Sandbox() as deployment:
        env = sign_in(deployment)
        scope = "queue:route:index.sandbox.a"
        assert tcenv("purpose", "set", "p", "--scope", scope, "--for", "15m", env=env).returncode == 0
        assert tcenv("purpose", "list", env=env).returncode == 0
        done = tcenv("env", "--shell", "sh", "--as", "p", *words, env=env)
        assert done.returncode == 0, done.stderr
        found = re.search(r"TCENV_EXPIRES='?(\d+)", done.stdout)
        assert found and abs(int(found[1]) - time.time() - minutes * 60) < 60, done.stdout


@pytest.mark.parametrize(("fault", "hint"), [("stale", "Set the clock"), ("unauthorized", "To approve again, run: ")])
def test_an_answer_that_is_no_good_ends_with_what_to_do(fault: str, hint: str) -> None:
    with Sandbox() as deployment:
        deployment.fail(fault)
        done = tcenv("login", "--shell", "sh", "--timeout", "6s", env=make_env(deployment))
        assert done.returncode != 0 and "TASKCLUSTER_ACCESS_TOKEN" not in done.stdout
        assert hint in done.stderr


@pytest.mark.parametrize("public", [True, False])
def test_where_the_deployment_tells_nothing_an_end_is_an_end(public: bool) -> None:
    with Sandbox(public=public) as deployment:
        client = deployment.create_client(f"{deployment.user}/tcenv", ["a:b"])
        another = deployment.create_client(f"{deployment.user}/another", ["a:b"])
        mine = Credentials(client.client_id, client.access_token)
        stored = Session("p", deployment.root_url, mine, 1, 2**33, "tcenv", ("a:b",), ("a:b",))
        known = KnownClient("another", another.client_id, 1, "tcenv")
        assert client_names._may_go(Deployment(deployment.root_url), known, stored) is not public


def test_a_store_that_is_open_to_others_is_not_opened(home: Path) -> None:
    directory = Path(make_env()["XDG_RUNTIME_DIR"]) / "tcenv"
    directory.mkdir()
    directory.chmod(0o755)
    with pytest.raises(StoreError, match="open to other"):
        open_store("runtime")
    directory.chmod(0o700)
    assert open_store("runtime").name == "runtime"


def test_what_was_changed_and_could_not_be_stored_is_said() -> None:
    """The store has the new token, and then no room for the new end: the shell has both, and the next one is told."""
    said: list[str] = []

    def fail(session: Session) -> None:
        raise StoreError("No space left on device.")

    facts = SimpleNamespace(expires=2**33, expanded=("a:b",))
    updated = reset._update_client(
        session(),
        ("a:b",),
        SimpleNamespace(lifetime=60, description="", scopes=("a:b",), insisted=frozenset()),  # type: ignore[arg-type]
        SimpleNamespace(save=fail),
        SimpleNamespace(update_client=lambda *arguments: facts),  # type: ignore[arg-type]
        SimpleNamespace(note=said.append),
    )
    assert updated.scopes == ("a:b",)
    assert said == ["The session could not be stored as it is now: No space left on device."]


@pytest.mark.parametrize("insisted", [False, True])
def test_a_name_that_is_known_to_be_taken_is_said_before_it_is_asked_for(insisted: bool) -> None:
    with Sandbox() as deployment:
        env = make_env(deployment)
        words = ["login", "--shell", "sh", "--scope", "queue:get-task:a", "--no-self-delete"]
        words += ["--name", "x"] if insisted else []
        assert tcenv(*words, env=env).returncode == 0
        find_session_file(env).unlink()
        done = tcenv(*words, *(["--timeout", "3s"] if insisted else []), env=env)
        if insisted:
            assert done.returncode != 0
            assert "The name x was taken when tcenv last heard of it." in done.stderr
        else:
            assert done.returncode == 0, done.stderr
            assert f"The name {NAME} was taken when tcenv last heard of it, so it asks for {NAME}@2." in done.stderr


@pytest.mark.parametrize(
    ("asked", "held", "wanted", "usable"),
    [
        (("a:*", "b"), ("a:*",), ("b",), True),  # asked for, and given less: it would not be given now either
        (("b",), ("b", "c:*"), ("c:x",), True),  # the client holds more than was asked for
        (("a:*", "b"), ("a:*",), ("a:x", "b"), True),
        (("a:*", "b"), ("a:*",), ("d",), False),
    ],
)
def test_a_session_that_holds_what_is_asked_for_or_was_asked_for_it(
    asked: tuple[str, ...], held: tuple[str, ...], wanted: tuple[str, ...], usable: bool
) -> None:
    stored = Session("p", ROOT, Credentials("someone/tcenv", "t" * 44), 1, 2**33, "tcenv", held, asked)
    profile = SimpleNamespace(insisted={"scopes"}, client_name="tcenv", scopes=wanted)
    assert is_usable(stored, profile) is usable  # type: ignore[arg-type]


def test_where_a_client_can_be_ended() -> None:
    page = client_names.get_client_page(ROOT, "mozilla-auth0/ad|LDAP|jo+hn!d@x.org/tcenv")
    assert page == f"{ROOT}/auth/clients/mozilla-auth0%2Fad%7CLDAP%7Cjo%2Bhn%21d%40x.org%2Ftcenv"
