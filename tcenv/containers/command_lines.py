"""Parse the command lines of docker, podman and bubblewrap as far as needed: the subcommand and its options."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

# Options without a value; all others take one. Tests compare these with the tools' own help.
_DOCKER = frozenset(("-D", "--debug", "--tls", "--tlsverify", "-v", "--version", "--help"))
_PODMAN = frozenset(("-r", "--remote", "--noout", "--syslog", "-v", "--version", "--help", "--transient-store"))
_RUN = frozenset(
    (
        *("-d", "--detach", "--disable-content-trust", "--help", "--init", "-i", "--interactive", "--no-healthcheck"),
        *("--oom-kill-disable", "--privileged", "-P", "--publish-all", "-q", "--quiet", "--read-only", "--rm"),
        *("--sig-proxy", "-t", "--tty", "--use-api-socket"),
    )
)
_PODMAN_RUN = _RUN | frozenset(
    (
        *("--env-host", "--http-proxy", "--no-hostname", "--no-hosts", "--passwd"),
        *("--read-only-tmpfs", "--replace", "--rmi", "--rootfs", "--tls-verify", "--unsetenv-all"),
    )
)
# By tool: its own options without a value, and those of the subcommands that start a process.
TOOLS: Mapping[str, tuple[Collection[str], Collection[str]]] = {
    "docker": (_DOCKER, _RUN),
    "podman": (_PODMAN, _PODMAN_RUN),
}
STARTING = ("run", "create", "exec")
# Flags of podman exec alone.
LATEST = frozenset(("-l", "--latest"))
# How many words follow each option of bubblewrap.
BUBBLEWRAP: Mapping[str, int] = {
    **dict.fromkeys(
        (
            *("--help", "--version", "--unshare-all", "--share-net", "--unshare-user", "--unshare-user-try"),
            *("--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup"),
            *("--unshare-cgroup-try", "--disable-userns", "--assert-userns-disabled", "--clearenv", "--new-session"),
            *("--die-with-parent", "--as-pid-1", "--level-prefix"),
        ),
        0,
    ),
    **dict.fromkeys(
        (
            *("--args", "--argv0", "--userns", "--userns2", "--pidns", "--uid", "--gid", "--hostname", "--chdir"),
            *("--unsetenv", "--lock-file", "--sync-fd", "--remount-ro", "--exec-label", "--file-label", "--proc"),
            *("--dev", "--tmpfs", "--mqueue", "--dir", "--seccomp", "--add-seccomp-fd", "--block-fd"),
            *("--userns-block-fd", "--info-fd", "--json-status-fd", "--cap-add", "--cap-drop", "--perms", "--size"),
            *("--overlay-src", "--tmp-overlay", "--ro-overlay"),
        ),
        1,
    ),
    **dict.fromkeys(
        (
            *("--setenv", "--bind", "--bind-try", "--dev-bind", "--dev-bind-try", "--ro-bind", "--ro-bind-try"),
            *("--bind-fd", "--ro-bind-fd", "--file", "--bind-data", "--ro-bind-data", "--symlink", "--chmod"),
        ),
        2,
    ),
    "--overlay": 3,
}


@dataclass(frozen=True)
class CommandLine:
    """A command line of docker or podman.

    `subcommand` holds its words (`run`, `container run`). `position` is that of the subcommand's first option. `before`
    are the tool's own options and `options` the subcommand's, as (name, value)."""

    subcommand: str
    position: int
    before: tuple[tuple[str, str], ...]
    options: tuple[tuple[str, str], ...]

    def get_option(self, *names: str) -> str | None:
        """Return the last value of a subcommand's option, or None."""
        return next((value for name, value in reversed(self.options) if name in names), None)


def parse(command: Sequence[str], tool: str) -> CommandLine:
    """Parse a command line of `tool`, a key of TOOLS."""
    own, flags = TOOLS[tool]
    before, position = _read_options(command, 1, own)
    words = []
    if command[position : position + 1] == ["container"]:
        words.append("container")
        position += 1
    words += command[position : position + 1]
    options, _ = _read_options(command, position + 1, {*flags, *LATEST} if words[-1:] == ["exec"] else flags)
    return CommandLine(" ".join(words), position + 1, tuple(before), tuple(options))


def list_bubblewrap_options(command: Sequence[str]) -> list[str]:
    """Return the names of bubblewrap's options, without those of the command that it runs."""
    found, position = [], 1
    while position < len(command) and command[position].startswith("--") and command[position] != "--":
        found.append(command[position])
        position += 1 + BUBBLEWRAP.get(command[position], 0)
    return found


def _read_options(command: Sequence[str], position: int, flags: Collection[str]) -> tuple[list[tuple[str, str]], int]:
    """Return the options from `position` on, and the position after them. `flags` take no value."""
    found = []
    while position < len(command) and command[position].startswith("-") and command[position] not in ("-", "--"):
        word = command[position]
        position += 1
        if word.startswith("--"):
            name, equals, value = word.partition("=")
            needs_value = not equals and name not in flags
        else:
            # Flags of one letter may stand together, and the last one may have its value in the same word.
            letters = word[1:]
            while len(letters) > 1 and f"-{letters[0]}" in flags:
                letters = letters[1:]
            name, value = f"-{letters[0]}", letters[1:].removeprefix("=")
            needs_value = not value and name not in flags
        if needs_value:
            value = command[position] if position < len(command) else ""
            position += 1
        found.append((name, value))
    return found, position
