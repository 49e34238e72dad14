# The start-up file of `tcenv shell` for zsh: the user's own, then the session, then the mark in the prompt.
if [[ -n $__TCENV_ZDOTDIR ]]; then
  ZDOTDIR=$__TCENV_ZDOTDIR
else
  unset ZDOTDIR
fi
unset __TCENV_ZDOTDIR
[[ -r ${ZDOTDIR:-$HOME}/.zshrc ]] && source ${ZDOTDIR:-$HOME}/.zshrc

() {
  # A trace would show the token.
  setopt localoptions noxtrace
  eval "${__TCENV_LOAD-}"
}
unset __TCENV_LOAD

typeset -g __tcenv_marked=''
__tcenv_mark() {
  local __tcenv_mark='(tcenv) '
  # A prompt is expanded: what is no profile's name does not come in.
  [[ -n ${TCENV_PROFILE-} && ${TCENV_PROFILE-} != *[^A-Za-z0-9._@-]* ]] && __tcenv_mark="(tcenv:$TCENV_PROFILE) "
  # Prompt frameworks make PROMPT anew each time.
  [[ $PROMPT == "$__tcenv_mark"* ]] || PROMPT=$__tcenv_mark${PROMPT#"$__tcenv_marked"}
  __tcenv_marked=$__tcenv_mark
}
precmd_functions+=(__tcenv_mark)
