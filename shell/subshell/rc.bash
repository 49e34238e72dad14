# The start-up file of `tcenv shell` for bash: the user's own, then the session, then the mark in the prompt.
# shellcheck shell=bash
if [[ -n ${__TCENV_ENV+set} ]]; then
  # POSIXLY_CORRECT: bash reads what ENV names, and nothing else.
  if [[ -n $__TCENV_ENV ]]; then
    ENV=$__TCENV_ENV
  else
    unset -v ENV
  fi
  unset -v __TCENV_ENV
  if [[ -r ${ENV-} ]]; then
    # shellcheck disable=SC1090
    . "$ENV"
  fi
else
  if [[ -r /etc/bash.bashrc ]]; then
    # shellcheck disable=SC1091
    . /etc/bash.bashrc
  fi
  if [[ -r ~/.bashrc ]]; then
    # shellcheck disable=SC1090
    . ~/.bashrc
  fi
fi
# A trace would show the token.
__tcenv_flags=$-
{ set +x; } 2>/dev/null
eval "${__TCENV_LOAD-}"
unset -v __TCENV_LOAD
if [[ $__tcenv_flags == *x* ]]; then
  set -x
fi
unset -v __tcenv_flags

__tcenv_marked=''
__tcenv_mark() {
  local __tcenv_status=$? __tcenv_mark='(tcenv) '
  # A prompt is expanded: what is no profile's name does not come in.
  case ${TCENV_PROFILE-} in
    '' | *[!A-Za-z0-9._@-]*) ;;
    *) __tcenv_mark="(tcenv:$TCENV_PROFILE) " ;;
  esac
  # Prompt frameworks make PS1 anew each time.
  if [[ ${PS1-} != "$__tcenv_mark"* ]]; then
    PS1=$__tcenv_mark${PS1#"$__tcenv_marked"}
  fi
  __tcenv_marked=$__tcenv_mark
  return "$__tcenv_status"
}
if [[ "$(declare -p PROMPT_COMMAND 2>/dev/null)" == 'declare -a'* ]]; then
  PROMPT_COMMAND+=(__tcenv_mark)
else
  # shellcheck disable=SC2178,SC2128
  PROMPT_COMMAND="${PROMPT_COMMAND:+$PROMPT_COMMAND;}__tcenv_mark"
fi
