"""Frozen values are what `dataclasses` would make of them."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tcenv import values


def made(library: Any) -> tuple[type, type]:
    @library.dataclass(frozen=True)
    class Point:
        x: int
        y: int = 2
        secret: str = library.field(default="token", repr=False)
        tags: dict[str, int] = library.field(default_factory=dict)

        @property
        def double(self) -> int:
            return self.x * 2

    @library.dataclass(frozen=True)
    class Checked:
        text: str

        def __post_init__(self) -> None:
            if not self.text:
                raise ValueError("empty")

    return Point, Checked


@pytest.mark.parametrize("library", [values, dataclasses], ids=["tcenv", "dataclasses"])
class TestValues:
    def test_they_are_made_compared_hashed_and_shown(self, library: Any) -> None:
        point, _ = made(library)
        assert point(1) == point(1, 2) == point(x=1, y=2, secret="token") != point(2)
        assert point(1) != (1, 2)
        assert hash(library.replace(point(1), tags=())) == hash(point(1, 2, "token", ()))
        assert point(1).double == 2
        assert point(1).tags == {} and point(1).tags is not point(1).tags
        assert repr(point(1)).endswith("Point(x=1, y=2, tags={})")

    def test_they_are_frozen(self, library: Any) -> None:
        value = made(library)[0](1)
        with pytest.raises(AttributeError):
            value.x = 3
        with pytest.raises(AttributeError):
            del value.x
        with pytest.raises(AttributeError):
            value.new = 3

    @pytest.mark.parametrize(
        "wrong", [lambda c: c(), lambda c: c(1, 2, "a", {}, 5), lambda c: c(1, x=1), lambda c: c(1, z=1)]
    )
    def test_what_is_missing_or_too_much_is_an_error(self, library: Any, wrong: Callable[[type], object]) -> None:
        with pytest.raises(TypeError):
            wrong(made(library)[0])

    def test_a_copy_is_checked_as_a_new_one_is(self, library: Any) -> None:
        checked = made(library)[1]
        with pytest.raises(ValueError, match="empty"):
            library.replace(checked("a"), text="")
        assert library.replace(checked("a"), text="b").text == "b"
        assert library.asdict(checked("a")) == {"text": "a"}

    def test_the_library_knows_them(self, library: Any) -> None:
        point, checked = made(library)
        assert dataclasses.is_dataclass(point)
        assert dataclasses.replace(point(1), y=5).y == 5
        assert [own.name for own in dataclasses.fields(point)] == ["x", "y", "secret", "tags"]
        match checked("a"):
            case object(text="a"):
                pass
            case _:
                pytest.fail("does not match")


def test_the_library_is_not_imported_for_them() -> None:
    script = "import sys, tcenv.sessions.session, tcenv.config.profile; sys.exit('dataclasses' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0
