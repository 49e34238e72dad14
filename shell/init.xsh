# tcenv for xonsh: the alias that applies login, signin, env and logout to this shell, and the prompt hook.

# --- function
def _tcenv(args, stdin=None, stdout=None, stderr=None):
    import os
    import shutil
    import subprocess

    applies = bool(args) and args[0] in (@EVALUATED@) and not any(
        word in ("-h", "--help", "--csh", "--check") or word.startswith(("--shell", "--format")) for word in args
    )
    environ = {**__xonsh__.env.detype(), "__TCENV_FUNCTION": "1"}
    # The program that the PATH finds, else the one that made this text; it is told that this function is there.
    program = shutil.which("tcenv", path=environ.get("PATH", os.defpath)) or @PROGRAM@
    if not applies:
        return subprocess.run([program, *args], env=environ, stdin=stdin, stdout=stdout, stderr=stderr).returncode
    done = subprocess.run([program, *args, "--shell", "xonsh"], env=environ, stdout=subprocess.PIPE, text=True)
    if done.returncode == 0:
        execx(done.stdout)
    return done.returncode


aliases["tcenv"] = _tcenv

# --- hook
def _tcenv_read(folder, profile):
    """What the session's file says, by key; None where there is no file, nothing where it is not one that tcenv has written."""
    import os
    import stat

    me = os.geteuid() if hasattr(os, "geteuid") else None
    path = os.path.join(folder, profile + ".session")
    try:
        status = os.lstat(folder)
        if not stat.S_ISDIR(status.st_mode) or me not in (None, status.st_uid):
            return {}
        try:
            descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
        except FileNotFoundError:
            return None
        with open(descriptor, "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or me not in (None, status.st_uid):
                return {}
            lines = file.read(1 << 20).decode("ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    fields = dict(line.partition("=")[::2] for line in reversed(lines))
    whole = fields.get("END") == "tcenv-session-1" and "STATE" not in fields and fields.get("TCENV_PROFILE") == profile
    times = all(fields.get(key, "").isdecimal() and len(fields[key]) < 16 for key in ("TCENV_EXPIRES", "RENEW"))
    return fields if whole and times else {}


def _tcenv_hook(state={}, **_):
    import re
    import sys
    import time

    env = __xonsh__.env
    names = (
        "TASKCLUSTER_ROOT_URL", "TASKCLUSTER_CLIENT_ID", "TASKCLUSTER_ACCESS_TOKEN", "TASKCLUSTER_CERTIFICATE",
        "TCENV_PROFILE", "TCENV_EXPIRES", "TCENV_LOADED",
    )
    value = {name: str(env.get(name) or "") for name in (*names, "TCENV_STORE", "XDG_RUNTIME_DIR")}
    profile = value["TCENV_PROFILE"]
    token = value["TASKCLUSTER_ACCESS_TOKEN"]
    words = value["TCENV_LOADED"].split(" ")
    root = words[0]
    if not token or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,127}", profile):
        return
    if root and root != value["TASKCLUSTER_ROOT_URL"]:
        return

    def unload(why):
        print(f"tcenv: {profile}: {why}; tcenv login {profile} signs in again", file=sys.stderr)
        for name in names:
            env.pop(name, None)
        if len(words) > 1 and re.fullmatch(r"[A-Za-z0-9:/._~%@+\[\]-]{2,}", words[-1]):
            env["TASKCLUSTER_ROOT_URL"] = words[-1]
        state.pop("seen", None)

    seen = (profile, value["TCENV_EXPIRES"], value["TCENV_LOADED"])
    if state.get("seen") != seen:
        # Loaded since the last prompt, or inherited.
        state.update(seen=seen, token=token, kept=bool(root) and "-" not in words[1:], renew=None, reminded=False)
    store = value["TCENV_STORE"] or @STORE@
    folder = @FILES@ if store == "file" else ""
    if store in ("auto", "runtime") and value["XDG_RUNTIME_DIR"] == @XDG@:
        folder = @RUNTIME@
    end = int(value["TCENV_EXPIRES"]) if re.fullmatch(r"[1-9][0-9]{0,14}", value["TCENV_EXPIRES"]) else 0
    if folder and not value["TASKCLUSTER_CERTIFICATE"]:
        fields = _tcenv_read(folder, profile)
        if fields is None:
            if state["kept"] and state["token"] == token and not 0 < end <= time.time():
                unload("signed out elsewhere")
                return
        elif fields.get("TASKCLUSTER_ROOT_URL") == value["TASKCLUSTER_ROOT_URL"]:
            if fields["TASKCLUSTER_ACCESS_TOKEN"] == token:
                state.update(token=token, kept=True, renew=int(fields["RENEW"]))
            elif state["token"] == token and int(fields["TCENV_EXPIRES"]) > time.time():
                for name in ("TASKCLUSTER_CLIENT_ID", "TASKCLUSTER_ACCESS_TOKEN", "TCENV_EXPIRES"):
                    env[name] = value[name] = fields[name]
                token, end = fields["TASKCLUSTER_ACCESS_TOKEN"], int(fields["TCENV_EXPIRES"])
                state.update(
                    seen=(profile, fields["TCENV_EXPIRES"], value["TCENV_LOADED"]), token=token, kept=True,
                    renew=int(fields["RENEW"]), reminded=False,
                )
    if state["token"] != token or not end:
        return
    left = end - time.time()
    if left <= 0:
        unload("the session has expired")
    elif time.time() >= (end - 600 if state["renew"] is None else state["renew"]) and not state["reminded"]:
        state["reminded"] = True
        print(f"tcenv: {profile} ends in {int(left // 60)} min; tcenv login {profile} --reset renews it", file=sys.stderr)


if not getattr(events, "_tcenv_hooked", False):
    events._tcenv_hooked = True
    events.on_pre_prompt(_tcenv_hook)

# --- prompt
def _tcenv_prompt(own=__xonsh__.env["PROMPT"]):
    """The profile that is loaded, in front of the user's own prompt."""
    import re

    shown = own() if callable(own) else own
    # A prompt is expanded: what is no profile's name does not come in.
    profile = str(__xonsh__.env.get("TCENV_PROFILE") or "")
    return f"(tcenv:{profile}) {shown}" if re.fullmatch("[A-Za-z0-9._@-]+", profile) else shown


# A subshell of tcenv has its own mark.
if not __xonsh__.env.get("TCENV_SUBSHELL") and not getattr(events, "_tcenv_prompted", False):
    events._tcenv_prompted = True
    __xonsh__.env["PROMPT"] = _tcenv_prompt
