# tcenv for xonsh: the alias that applies login, env and logout to this shell, and the prompt hook.

# --- function
def _tcenv(args, stdin=None, stdout=None, stderr=None):
    import subprocess
    applies = bool(args) and args[0] in ("login", "env", "logout") and not any(
        word in ("-h", "--help") or word.startswith(("--shell", "--format")) for word in args
    )
    environ = __xonsh__.env.detype()
    if not applies:
        return subprocess.run(["tcenv", *args], env=environ, stdin=stdin, stdout=stdout, stderr=stderr).returncode
    done = subprocess.run(["tcenv", *args, "--shell", "xonsh"], env=environ, stdout=subprocess.PIPE, text=True)
    if done.returncode == 0:
        execx(done.stdout)
    return done.returncode


aliases["tcenv"] = _tcenv

# --- hook
def _tcenv_hook(state={}, **_):
    import os
    import sys
    import time

    env = __xonsh__.env
    names = (
        "TASKCLUSTER_ROOT_URL", "TASKCLUSTER_CLIENT_ID", "TASKCLUSTER_ACCESS_TOKEN", "TASKCLUSTER_CERTIFICATE",
        "TCENV_PROFILE", "TCENV_EXPIRES",
    )
    value = {name: str(env.get(name) or "") for name in names}
    profile, token = value["TCENV_PROFILE"], value["TASKCLUSTER_ACCESS_TOKEN"]
    if not profile or not token:
        return

    def unload(why):
        print(f"tcenv: {profile}: {why}; tcenv login signs in again", file=sys.stderr)
        for name in names:
            env.pop(name, None)
        state.clear()

    if state.get("seen") != (profile, value["TCENV_EXPIRES"]):
        # Loaded since the last prompt, or inherited.
        state.clear()
        state.update(seen=(profile, value["TCENV_EXPIRES"]), token=token)
    if not value["TASKCLUSTER_CERTIFICATE"]:
        path = os.path.join(str(env.get("XDG_RUNTIME_DIR") or ""), "tcenv", profile + ".session")
        try:
            with open(path, encoding="ascii") as file:
                lines = file.read().splitlines()
        except (OSError, UnicodeDecodeError):
            if state.get("tracked") and state["token"] == token:
                unload("signed out elsewhere")
                return
            lines = []
        fields = dict(line.partition("=")[::2] for line in reversed(lines))
        if fields.get("END") == "tcenv-session-1" and fields.get("TASKCLUSTER_ROOT_URL") == value["TASKCLUSTER_ROOT_URL"]:
            if fields["TASKCLUSTER_ACCESS_TOKEN"] == token:
                state.update(token=token, tracked=True, renew=int(fields["RENEW"]))
            elif state["token"] == token and int(fields["TCENV_EXPIRES"]) > time.time():
                for name in ("TASKCLUSTER_CLIENT_ID", "TASKCLUSTER_ACCESS_TOKEN", "TCENV_EXPIRES"):
                    env[name] = value[name] = fields[name]
                token = value["TASKCLUSTER_ACCESS_TOKEN"]
                state.update(
                    seen=(profile, value["TCENV_EXPIRES"]), token=token, tracked=True, renew=int(fields["RENEW"]), reminded=False
                )
    if state["token"] != token or not value["TCENV_EXPIRES"].isdecimal():
        return
    left = int(value["TCENV_EXPIRES"]) - time.time()
    if left <= 0:
        unload("the session has expired")
    elif time.time() >= state.get("renew", int(value["TCENV_EXPIRES"]) - 600) and not state.get("reminded"):
        state["reminded"] = True
        print(f"tcenv: {profile} ends in {int(left // 60)} min; tcenv login --reset renews it", file=sys.stderr)


if not getattr(events, "_tcenv_hooked", False):
    events._tcenv_hooked = True
    events.on_pre_prompt(_tcenv_hook)
