# The start-up file of `tcenv shell` for bash: the user's own, then the session, then the mark in the prompt.
# shellcheck shell=bash
if [[ -r /etc/bash.bashrc ]]; then
  # shellcheck disable=SC1091
  . /etc/bash.bashrc
fi
if [[ -r ~/.bashrc ]]; then
  # shellcheck disable=SC1090
  . ~/.bashrc
fi
eval "${__TCENV_LOAD-}"
unset -v __TCENV_LOAD

__tcenv_mark() {
  local __tcenv_status=$?
  # Prompt frameworks make PS1 anew each time.
  if [[ ${PS1-} != *"(tcenv:$TCENV_SUBSHELL) "* ]]; then
    PS1="(tcenv:$TCENV_SUBSHELL) ${PS1-}"
  fi
  return "$__tcenv_status"
}
if [[ "$(declare -p PROMPT_COMMAND 2>/dev/null)" == 'declare -a'* ]]; then
  PROMPT_COMMAND+=(__tcenv_mark)
else
  # shellcheck disable=SC2178,SC2128
  PROMPT_COMMAND="${PROMPT_COMMAND:+$PROMPT_COMMAND;}__tcenv_mark"
fi
