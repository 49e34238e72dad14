# tcenv for xonsh: the alias that applies login, signin, env and logout to this shell, and the prompt hook.

# --- function
if [int(part) for part in __xonsh__.env["XONSH_VERSION"].split(".")[:2]] < [0, 12]:
    print("@TOO_OLD@; this is", __xonsh__.env["XONSH_VERSION"], file=__import__("sys").stderr)

def _tcenv(args, stdin=None, stdout=None, stderr=None):
    import os
    import shutil
    import subprocess

    applies = bool(args) and args[0] in (@EVALUATED@) and not any(
        word in ("-h", "--help", "--csh", "--check") or word.startswith(("--shell", "--format")) for word in args
    )
    environ = {**__xonsh__.env.detype(), "__TCENV_FUNCTION": "1"}
    # Run the program that PATH finds, else the one that printed this text. __TCENV_FUNCTION tells it about this alias.
    program = shutil.which("tcenv", path=environ.get("PATH", os.defpath)) or @PROGRAM@
    if not applies:
        return subprocess.run([program, *args], env=environ, stdin=stdin, stdout=stdout, stderr=stderr).returncode
    done = subprocess.run([program, args[0], "--shell", "xonsh", *args[1:]], env=environ, stdout=subprocess.PIPE, text=True)
    if done.returncode == 0:
        execx(done.stdout)
    return done.returncode


aliases["tcenv"] = _tcenv

# --- hook
def _tcenv_first_line(path):
    """Return the first line of a regular file, and nothing of any other, which could block."""
    import os

    try:
        if os.path.isfile(path):
            with open(path, encoding="ascii", errors="replace") as file:
                return file.readline(200).rstrip("\n")
    except OSError:
        pass
    return ""


def _tcenv_hook(tried=[], **_):
    """Compare what is loaded with the first line of the session's file and with the time. If they differ, the program decides.

    `tried` holds the difference for which the program changed nothing."""
    import subprocess
    import sys
    import time

    env = __xonsh__.env
    loaded, expires = str(env.get("TCENV_LOADED") or ""), str(env.get("TCENV_EXPIRES") or "")
    # Profile, root URL, generation, file, and the choice before tcenv loaded anything.
    words = loaded.split(" ")
    if len(words) < 5 or env.get("TCENV_PROXY"):
        return
    path = " ".join(words[3:-1])
    line, first = _tcenv_first_line(path), "" if path == "-" else f"GENERATION={words[2]}"
    left = int(expires) - time.time() if expires.isdecimal() and len(expires) < 16 else 10**15
    # Whether the session has less than ten minutes left, and whether it has ended.
    due = (left <= 600, left <= 0)
    difference = [loaded, expires, due, line]
    if (line == first and not any(due)) or tried == difference:
        return
    tried[:] = difference
    try:
        environ = {**env.detype(), "__TCENV_FUNCTION": "1"}
        done = subprocess.run([@PROGRAM@, "hook", "xonsh"], env=environ, stdout=subprocess.PIPE, text=True)
    except OSError:
        done = None
    if done and done.returncode == 0:
        execx(done.stdout)
    elif left <= 0:
        # If the program cannot run, unload the session when it has ended.
        print(f"tcenv: the session of {words[0]} has expired", file=sys.stderr)
        for name in (@VARIABLES@):
            env.pop(name, None)
        profile, _, root_url = words[-1].rpartition("=")
        if profile:
            env["TCENV_PROFILE"] = profile
        if root_url != "-":
            env["TASKCLUSTER_ROOT_URL"] = root_url
    if env.get("TCENV_LOADED") != loaded:
        tried.clear()


if not getattr(__xonsh__, "_tcenv_hooked", False):
    __xonsh__._tcenv_hooked = True
    events.on_pre_prompt(_tcenv_hook)

# --- prompt
def _tcenv_prompt(own=__xonsh__.env["PROMPT"]):
    """Return the user's own prompt with the loaded profile in front of it."""
    import re

    shown = own() if callable(own) else own
    # xonsh expands the prompt, so show only a valid profile name.
    profile = str(__xonsh__.env.get("TCENV_LOADED") and __xonsh__.env.get("TCENV_PROFILE") or "")
    return f"(tcenv:{profile}) {shown}" if re.fullmatch("[A-Za-z0-9._@-]+", profile) else shown


# A subshell of tcenv has its own mark.
if not __xonsh__.env.get("TCENV_SUBSHELL") and not getattr(__xonsh__, "_tcenv_prompted", False):
    __xonsh__._tcenv_prompted = True
    __xonsh__.env["PROMPT"] = _tcenv_prompt
