"""Check which clients a sign-in may name, replace and delete."""

from __future__ import annotations

import os
import subprocess
import time

import pytest

from tcenv.deployment.auth import Deployment
from tcenv.deployment.credentials import Credentials
from tcenv.sandbox import Sandbox
from tcenv.sessions import known_clients
from tcenv.sessions.known_clients import KnownClient
from tcenv.sessions.session import Session
from tcenv.signin import client_names
from tcenv.signin.client_names import Names

ROOT = "https://tc.example.com"


def test_only_an_orphan_of_its_own_series_is_deleted() -> None:
    """A browser may have sent anything, so tcenv only deletes clients with its own names whose process has ended."""
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


def test_the_process_of_a_known_client_is_remembered() -> None:
    """tcenv tells an orphan from a sign-in that goes on by its process."""
    client = KnownClient(
        "tcenv-x", "me/tcenv-x", int(time.time()) + 1000, "tcenv-x", confirmed=False, process=os.getpid()
    )
    known_clients.remember(ROOT, client)
    assert known_clients.list_clients(ROOT) == (client,)
    assert not client.is_orphan


@pytest.mark.parametrize("public", [True, False])
def test_an_expired_client_of_a_private_deployment_may_be_replaced(public: bool) -> None:
    with Sandbox(public=public) as deployment:
        client = deployment.create_client(f"{deployment.user}/tcenv", ["a:b"])
        another = deployment.create_client(f"{deployment.user}/another", ["a:b"])
        mine = Credentials(client.client_id, client.access_token)
        stored = Session("p", deployment.root_url, mine, 1, 2**33, "tcenv", ("a:b",), ("a:b",))
        known = KnownClient("another", another.client_id, 1, "tcenv")
        assert client_names._can_delete(Deployment(deployment.root_url), known, stored) is not public


def test_a_clients_page_has_a_quoted_address() -> None:
    page = client_names.get_client_page(ROOT, "mozilla-auth0/ad|LDAP|jo+hn!d@x.org/tcenv")
    assert page == f"{ROOT}/auth/clients/mozilla-auth0%2Fad%7CLDAP%7Cjo%2Bhn%21d%40x.org%2Ftcenv"
