# The last start-up file of `tcenv shell` for xonsh: the session, and the mark in the prompt.
execx(${...}.pop("__TCENV_LOAD", ""))
_tcenv_own_prompt = $PROMPT


def _tcenv_prompt():
    own = _tcenv_own_prompt() if callable(_tcenv_own_prompt) else _tcenv_own_prompt
    return "(tcenv:" + __xonsh__.env.get("TCENV_SUBSHELL", "") + ") " + own


$PROMPT = _tcenv_prompt
