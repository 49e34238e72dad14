"""Snapshots: each a file of its own, so that a changed sentence is seen in the diff as such."""

from __future__ import annotations

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode


class Text(SingleFileSnapshotExtension):
    """Plain text, in a file under the test's name."""

    _write_mode = WriteMode.TEXT
    file_extension = "txt"


@pytest.fixture
def shown(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    """What people read: `assert text == shown`. To take a new one: --snapshot-update."""
    return snapshot.use_extension(Text)
