"""Parse a service's reference, and find the method of a call in it."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tcenv.deployment.references import describe, find, parse


def reference(*entries: dict[str, Any]) -> bytes:
    return json.dumps({"entries": [{"type": "function", "method": "get", **entry} for entry in entries]}).encode()


QUEUE = reference(
    {"name": "task", "route": "/task/<taskId>", "scopes": "queue:get-task:<taskId>"},
    {"name": "getArtifact", "route": "/task/<taskId>/runs/<runId>/artifacts/<name>", "scopes": None},
    {"name": "listArtifacts", "route": "/task/<taskId>/runs/<runId>/artifacts", "scopes": None},
    {"name": "createTask", "route": "/task/<taskId>", "method": "put", "scopes": {"AllOf": ["a", "b"]}},
    {"name": "ping", "route": "/ping"},
    {"name": "pong", "route": "/<word>"},
    {"name": "changed", "route": "/x", "type": "topic-exchange"},
)


@pytest.mark.parametrize(
    ("verb", "path", "name"),
    [
        ("GET", "task/abc", "task"),
        ("HEAD", "task/abc", "task"),
        ("PUT", "task/abc", "createTask"),
        ("POST", "task/abc", None),
        ("GET", "task/abc/runs/0/artifacts", "listArtifacts"),
        ("GET", "task/abc/runs/0/artifacts/public/logs/live.log", "getArtifact"),
        ("GET", "ping", "ping"),
        ("GET", "anything", "pong"),
        ("GET", "", None),
        ("GET", "x/y/runs", "pong"),
    ],
)
def test_a_call_is_found_by_its_path(verb: str, path: str, name: str | None) -> None:
    methods = parse(QUEUE)
    assert methods is not None and "changed" not in [method.name for method in methods]
    found = find(methods, verb, tuple(part for part in path.split("/") if part))
    assert (found and found.name) == name


def test_many_parameters_are_matched_quickly() -> None:
    route = "".join(f"/<p{number}>" for number in range(30)) + "/end"
    methods = parse(reference({"name": "hostile", "route": route}))
    assert methods is not None
    began = time.process_time()
    assert find(methods, "GET", ("a",) * 10_000) is None
    assert time.process_time() - began < 10


@pytest.mark.parametrize(
    "noise", [b"", b"<!doctype html>", b"[]", b"{}", b'{"entries": 5}', b'{"entries": [1]}', b"[" * 100_000, b"\xff"]
)
def test_a_malformed_reference_is_ignored(noise: bytes) -> None:
    assert parse(noise) is None


def test_scopes_are_described_line_by_line() -> None:
    expression = {
        "AnyOf": ["a", {"AllOf": ["b", {"if": "c", "then": "d\x1b[2J"}]}, {"for": "x", "in": "y", "each": "z"}]
    }
    assert list(describe(expression)) == [
        "any of:",
        "  a",
        "  all of:",
        "    b",
        "    if c:",
        "      d\N{REPLACEMENT CHARACTER}[2J",
        "  for each x in y:",
        "    z",
    ]
    assert list(describe(None)) == ["(no scopes)"]
