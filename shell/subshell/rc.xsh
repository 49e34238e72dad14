# The last start-up file of `tcenv shell` for xonsh: load the session, and mark the prompt.
execx(${...}.pop("__TCENV_LOAD", ""))
_tcenv_own_prompt = $PROMPT


def _tcenv_prompt():
    own = _tcenv_own_prompt() if callable(_tcenv_own_prompt) else _tcenv_own_prompt
    # xonsh expands the prompt, so show only a valid profile name.
    profile = str(__xonsh__.env.get("TCENV_PROFILE") or "")
    known = profile and all(part.isalnum() or part in "._@-" for part in profile)
    return (f"(tcenv:{profile}) " if known else "(tcenv) ") + own


$PROMPT = _tcenv_prompt
