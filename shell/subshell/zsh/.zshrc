# The start-up file of `tcenv shell` for zsh: the user's own, then the session, then the mark in the prompt.
if [[ -n $__TCENV_ZDOTDIR ]]; then
  ZDOTDIR=$__TCENV_ZDOTDIR
else
  unset ZDOTDIR
fi
unset __TCENV_ZDOTDIR
[[ -r ${ZDOTDIR:-$HOME}/.zshrc ]] && source ${ZDOTDIR:-$HOME}/.zshrc
eval "${__TCENV_LOAD-}"
unset __TCENV_LOAD

__tcenv_mark() {
  # Prompt frameworks make PROMPT anew each time.
  [[ $PROMPT == *"(tcenv:$TCENV_SUBSHELL) "* ]] || PROMPT="(tcenv:$TCENV_SUBSHELL) $PROMPT"
}
precmd_functions+=(__tcenv_mark)
