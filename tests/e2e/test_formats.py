"""Check `tcenv env --format`: each program reads the values unchanged."""

from __future__ import annotations

import json
import shlex
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcenv.errors import UsageError
from tcenv.sandbox import Sandbox
from tcenv.shells import formats
from tests.env_files import PAGE, PROMISED, READERS, is_read, read, replace_table
from tests.programs import run_program
from tests.world import TCENV, read_session_fields, sign_in, tcenv


@pytest.mark.linux
@pytest.mark.parametrize("reader", READERS)
def test_each_program_reads_the_formats_made_for_it(reader: str) -> None:
    for form, readers in PROMISED.items():
        if reader in readers:
            assert is_read(reader, form), (form, read(reader, form))


@pytest.mark.linux
def test_the_pages_table_is_current() -> None:
    page = PAGE.read_text()
    assert page == replace_table(page), "run: python -m tests.env_files"


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20)))
def test_a_certificate_is_escaped_and_keeps_its_meaning(scopes: list[str]) -> None:
    certificate = json.dumps({"scopes": scopes}, ensure_ascii=False)
    text = formats.render({"TASKCLUSTER_CERTIFICATE": certificate}, "docker")
    value = text.removeprefix("TASKCLUSTER_CERTIFICATE=").removesuffix("\n")
    assert json.loads(value) == {"scopes": scopes}
    assert not set(value) & set("$`'#!&;|\n") and value.count("\\") == value.count("\\u")


def test_a_value_that_a_format_cannot_carry_is_an_error() -> None:
    for form, value in (("dotenv", "it's"), ("dotenv", "a\nb"), ("docker", "a\rb"), ("github", "a\nb")):
        with pytest.raises(UsageError, match="TCENV_PROFILE"):
            formats.render({"TCENV_PROFILE": value}, form)


def test_a_shell_reads_dotenv_with_temporary_credentials(deployment: Sandbox) -> None:
    env = sign_in(deployment)
    text = tcenv("env", "--format", "dotenv", "--scope", "queue:scheduler-id:it's $HOME", env=env).stdout
    done = run_program("sh", "-c", f'{text}printf "%s\\n" "$TASKCLUSTER_CERTIFICATE"', check=True)
    assert json.loads(done.stdout)["scopes"] == ["queue:scheduler-id:it's $HOME"]
    assert all(shlex.split(line) for line in text.splitlines())


def test_each_format_prints_the_session(deployment: Sandbox) -> None:
    env = sign_in(deployment)
    fields = read_session_fields(env)
    token = fields["TASKCLUSTER_ACCESS_TOKEN"]
    names = ("TASKCLUSTER_ROOT_URL", "TASKCLUSTER_CLIENT_ID", "TASKCLUSTER_ACCESS_TOKEN")
    expected = {name: fields[name] for name in (*names, "TCENV_PROFILE", "TCENV_EXPIRES")}
    plain = "".join(f"{name}={value}\n" for name, value in expected.items())
    assert json.loads(tcenv("env", "--format", "json", env=env).stdout) == expected
    assert tcenv("env", "--format", "docker", env=env).stdout == plain
    dotenv = "".join(f"{name}='{value}'\n" for name, value in expected.items())
    assert tcenv("env", "--format", "dotenv", env=env).stdout == dotenv
    systemd = "".join(f'{name}="{value}"\n' for name, value in expected.items())
    assert tcenv("env", "--format", "systemd", env=env).stdout == systemd
    assert tcenv("env", "--format", "github", env=env).stdout == f"::add-mask::{token}\n{plain}"
    wrong = tcenv("env", "--format", "yaml", env=env)
    assert (wrong.returncode, wrong.stdout) == (2, "")


def test_github_masks_the_token_before_writing_it(
    deployment: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> None:
    env = sign_in(deployment)
    token = read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"]
    github = tmp_path_factory.mktemp("workflow") / "env"
    env["GITHUB_ENV"] = str(github)
    assert tcenv("env", "--format", "github", env=env).stdout == f"::add-mask::{token}\n"
    assert f"TASKCLUSTER_ACCESS_TOKEN={token}\n" in github.read_text()
    github.unlink()
    with open("/dev/full", "wb") as full:
        unmasked = subprocess.run([TCENV, "env", "--format", "github"], env=env, stdout=full, timeout=60)
    assert unmasked.returncode == 1
    assert not github.exists(), "no token without its mask"
