"""Map profiles to file names: no two share one, even on a file system that ignores case."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcenv.sessions.profile_names import get_file_name, get_profile_name, get_profile_of_file, is_profile_name
from tcenv.sessions.stores import open_store
from tests.e2e.test_store_contract import SESSION

NAMES = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._@-]{0,20}\Z")


@given(NAMES, NAMES)
def test_no_two_profiles_share_a_file(one: str, other: str) -> None:
    assert get_profile_of_file(get_file_name(one)) == one
    assert (get_file_name(one).casefold() == get_file_name(other).casefold()) is (one == other)


@pytest.mark.parametrize("name", ["con", "CON", "nul.x", "com1", "Lpt9", "Work", "wORK", "work", "a", "A", "1"])
def test_reserved_names_of_windows_are_no_file_names(name: str) -> None:
    shown = get_file_name(name)
    assert shown.partition(".")[0] not in ("con", "nul", "com1", "lpt9")
    assert (shown, get_profile_of_file(shown)) == (shown.casefold(), name)


def test_a_file_name_is_never_too_long() -> None:
    assert is_profile_name("a" * 128)
    assert not is_profile_name("A" * 128)
    assert is_profile_name(get_profile_name("https://tc.example.com/" + "A" * 110))


@pytest.mark.parametrize("store", ["runtime", "file"])
def test_two_profiles_that_differ_in_case_have_two_sessions(store: str) -> None:
    opened = open_store(store)
    for name in ("work", "Work", "WORK"):
        opened.save(replace(SESSION, profile=name, name=f"tcenv-{name}"))
    assert opened.list_profiles() == ["WORK", "Work", "work"]
    assert {opened.get_path(name).casefold() for name in opened.list_profiles()} == {
        opened.get_path(n) for n in opened.list_profiles()
    }
    assert opened.forget("Work")
    assert opened.list_profiles() == ["WORK", "work"]
    loaded = opened.load("WORK")
    assert loaded is not None
    assert loaded.name == "tcenv-WORK"
