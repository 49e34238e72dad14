"""End the deployment's words as a sentence, because another sentence may follow."""

from __future__ import annotations

import pytest

from tcenv.deployment.auth import Deployment
from tcenv.deployment.credentials import Credentials
from tcenv.errors import DeploymentError
from tcenv.sandbox import FAULTS, Sandbox
from tcenv.text import end_sentence

_ANSWERS = ["unauthorized", "forbidden", "forbidden-code", "broken", "too-many", "html", "not-http", "stale"]


@pytest.mark.parametrize("fault", _ANSWERS)
def test_an_error_of_a_deployment_ends_as_a_sentence(fault: str) -> None:
    assert fault in FAULTS
    with Sandbox() as sandbox:
        client = sandbox.create_client("me/x")
        sandbox.fail(fault)
        with pytest.raises(DeploymentError) as found:
            Deployment(sandbox.root_url).confirm(Credentials(client.client_id, client.access_token))
    assert found.value.message.endswith(".")
    assert not found.value.message.endswith("..")


@pytest.mark.parametrize("client_id", ["me/deleted", "me/disabled"])
def test_a_rejection_ends_as_a_sentence(client_id: str) -> None:
    with Sandbox() as sandbox:
        client = sandbox.create_client("me/disabled")
        client.disabled = True
        with pytest.raises(DeploymentError) as found:
            Deployment(sandbox.root_url).confirm(Credentials(client_id, client.access_token))
    assert found.value.message.endswith(f"({sandbox.root_url}).")


@pytest.mark.parametrize(
    ("text", "ended"), [("Unauthorized", "Unauthorized."), ("No.", "No."), ("31 days!", "31 days!"), ("Why?", "Why?")]
)
def test_a_sentence_has_one_end(text: str, ended: str) -> None:
    assert end_sentence(text) == ended
