"""Where sessions live, and the lock that makes signing in a matter of one process at a time. Only this module and the hot
path read stored tokens; neither shows one."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

from tcenv import paths, sessionfile
from tcenv.errors import DamagedSession, StoreError, TcenvError, TimedOut
from tcenv.files import make_private_directory, write_privately
from tcenv.session import Session

_SERVICE = "tcenv"


class Store(Protocol):
    """A place for sessions, one a profile."""

    name: str

    def load(self, profile: str) -> Session | None:
        """The session of `profile`, None where there is none. Raises DamagedSession, StoreError."""

    def save(self, session: Session) -> None:
        """Put the session in place of its profile's former one, whole. Raises StoreError."""

    def forget(self, profile: str) -> bool:
        """Remove the session of `profile`, readable or not; False where there was none. Raises StoreError."""

    def profiles(self) -> list[str]:
        """The profiles that have a session. Raises StoreError."""


class DirectoryStore:
    """Sessions as files that shells can read: the `runtime` and the `file` store."""

    def __init__(self, name: str, directory: str) -> None:
        self.name = name
        self.directory = directory

    def load(self, profile: str) -> Session | None:
        try:
            found = sessionfile.read(self.directory, profile)
            return found and Session.from_parts(*found)
        except sessionfile.Damaged as damaged:
            raise DamagedSession(f"The stored session of {profile} is damaged: {damaged}.") from None
        except (sessionfile.Unsafe, OSError) as error:
            raise self._refusal(error) from None

    def save(self, session: Session) -> None:
        path = os.path.join(self.directory, session.profile + sessionfile.SUFFIX)
        try:
            write_privately(path, session.encode(), durable=self.name == "file")
        except OSError as error:
            raise self._refusal(error) from None

    def forget(self, profile: str) -> bool:
        try:
            if not sessionfile.check_directory(self.directory):
                return False
            os.unlink(os.path.join(self.directory, profile + sessionfile.SUFFIX))
        except FileNotFoundError:
            return False
        except (sessionfile.Unsafe, OSError) as error:
            raise self._refusal(error) from None
        return True

    def profiles(self) -> list[str]:
        try:
            if not sessionfile.check_directory(self.directory):
                return []
            names = os.listdir(self.directory)
        except (sessionfile.Unsafe, OSError) as error:
            raise self._refusal(error) from None
        cut = -len(sessionfile.SUFFIX)
        return sorted(name[:cut] for name in names if name.endswith(sessionfile.SUFFIX) and name[0] != ".")

    def _refusal(self, error: Exception) -> StoreError:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return StoreError(
            f"The {self.name} store cannot be used: {reason}.",
            f"It is {self.directory}: yours alone (chmod 700), its files too (chmod 600). Or choose another: TCENV_STORE.",
        )


class KeyringStore:
    """Sessions in the operating system's keyring, through the `keyring` library.

    A keyring cannot be listed: a note of our own, which holds no secret, names the profiles."""

    name = "keyring"

    def __init__(self) -> None:
        import keyring

        self._keyring = keyring

    def usable(self) -> bool:
        """Whether there is a real keyring behind it. One that is locked may ask the user to unlock it."""
        from keyring.backends import chainer, fail, null

        try:
            backend = self._keyring.get_keyring()
            if isinstance(backend, chainer.ChainerBackend):
                return bool(backend.backends)
            return not isinstance(backend, (fail.Keyring, null.Keyring))
        except Exception:
            return False

    def load(self, profile: str) -> Session | None:
        with self._failing():
            text = self._keyring.get_password(_SERVICE, profile)
        if text is None:
            return None
        try:
            session = Session.from_parts(*sessionfile.decode(text.encode("ascii", "replace")))
        except sessionfile.Damaged as damaged:
            raise DamagedSession(f"The stored session of {profile} is damaged: {damaged}.") from None
        if session.profile != profile:
            raise DamagedSession(f"The stored session of {profile} belongs to another profile.")
        return session

    def save(self, session: Session) -> None:
        with self._failing():
            self._keyring.set_password(_SERVICE, session.profile, session.encode().decode("ascii"))
        self._note({*self.profiles(), session.profile})

    def forget(self, profile: str) -> bool:
        from keyring.errors import PasswordDeleteError

        self._note(set(self.profiles()) - {profile})
        with self._failing():
            if self._keyring.get_password(_SERVICE, profile) is None:
                return False
            try:
                self._keyring.delete_password(_SERVICE, profile)
            except PasswordDeleteError:
                return False
        return True

    def profiles(self) -> list[str]:
        try:
            with open(self._list(), encoding="ascii") as file:
                return sorted(set(file.read().split()))
        except (OSError, UnicodeDecodeError):
            return []

    def _list(self) -> str:
        return os.path.join(paths.state_directory(), "keyring-profiles")

    def _note(self, profiles: set[str]) -> None:
        with suppress(OSError, StoreError):
            write_privately(self._list(), "".join(f"{name}\n" for name in sorted(profiles)).encode())

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            # The library's backends raise errors of their own kinds; none is worth a traceback.
            raise StoreError(
                f"The keyring cannot be used ({type(error).__name__}).",
                "Unlock it, or choose another store: TCENV_STORE=runtime, file or none.",
            ) from None


class NoStore:
    """Keeps nothing: `login` still exports, and everything that reads says what is missing."""

    name = "none"

    def load(self, profile: str) -> Session | None:
        return None

    def save(self, session: Session) -> None:
        return None

    def forget(self, profile: str) -> bool:
        return False

    def profiles(self) -> list[str]:
        return []


def open_store(wanted: str = "auto") -> Store:
    """The store called `wanted`; `auto` is the first of runtime, keyring, none that works on this machine.

    Raises StoreError. A runtime directory that is there but unsafe is an error and no reason to go elsewhere."""
    if wanted in ("auto", "runtime"):
        directory = paths.runtime_directory()
        if directory is not None and os.access(os.path.dirname(directory), os.W_OK | os.X_OK):
            make_private_directory(directory)
            return DirectoryStore("runtime", directory)
        if wanted == "runtime":
            raise StoreError(
                "There is no runtime store: XDG_RUNTIME_DIR names no directory that can be written.",
                "Choose another one: TCENV_STORE=keyring, file or none.",
            )
    if wanted == "file":
        return DirectoryStore("file", paths.file_store_directory())
    if wanted in ("auto", "keyring"):
        keyring = KeyringStore()
        if keyring.usable():
            return keyring
        if wanted == "keyring":
            raise StoreError("There is no keyring on this machine.", "Choose another store: TCENV_STORE=file or none.")
    return NoStore()


def load_session(store: Store, profile: str, root_url: str, say: Callable[[str], None]) -> Session | None:
    """The session of `profile` on `root_url`, live or expired. A damaged one, or one of another deployment, counts as none
    and is said so. Raises StoreError."""
    try:
        session = store.load(profile)
    except DamagedSession as damaged:
        say(f"{damaged.message} It is treated as absent.")
        return None
    if session is not None and session.root_url != root_url:
        say(f"The stored session of {profile} is for {session.root_url}, not for {root_url}: it is not used.")
        return None
    return session


def _lock_directory() -> str:
    runtime = paths.runtime_directory()
    if runtime is not None and os.access(os.path.dirname(runtime), os.W_OK | os.X_OK):
        return runtime
    return os.path.join(paths.state_directory(), "locks")


@contextmanager
def sign_in_lock(profile: str, timeout: float, on_wait: Callable[[], None]) -> Iterator[bool]:
    """Hold the one place in which `profile` is signed in to; yields whether it had to be waited for.

    The lock ends with the process, however that ends, so that the next in line takes over. `on_wait` is called once if
    another process holds it. Raises TimedOut after `timeout` seconds."""
    directory = _lock_directory()
    make_private_directory(directory)
    path = os.path.join(directory, f"{profile}.lock")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        waited = not _try_lock(descriptor)
        if waited:
            on_wait()
            _wait_for_lock(descriptor, timeout)
        yield waited
    finally:
        os.close(descriptor)


if os.name == "nt":

    def _try_lock(descriptor: int) -> bool:
        import msvcrt

        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        except OSError:
            return False
        return True

    def _wait_for_lock(descriptor: int, timeout: float) -> None:
        end = time.monotonic() + timeout
        while not _try_lock(descriptor):
            if time.monotonic() > end:
                raise _nobody_approved()
            time.sleep(0.2)

else:

    def _try_lock(descriptor: int) -> bool:
        import fcntl

        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _wait_for_lock(descriptor: int, timeout: float) -> None:
        # Blocking in the kernel costs nothing however many wait; the alarm bounds it.
        import fcntl
        import signal

        def ring(number: int, frame: object) -> None:
            raise _nobody_approved()

        former = signal.signal(signal.SIGALRM, ring)
        signal.setitimer(signal.ITIMER_REAL, timeout)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, former)


def _nobody_approved() -> TcenvError:
    return TimedOut("Another tcenv has been waiting for the browser, and this one has waited long enough for it.")
