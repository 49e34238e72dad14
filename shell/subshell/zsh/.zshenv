# `tcenv shell` points ZDOTDIR here. Restore it at once, so that zsh reads and writes the user's and the system's files
# in their usual places. Load the session and mark the prompt after zsh has read them.
if [[ -n ${__TCENV_ZDOTDIR+set} ]]; then
  if [[ -n $__TCENV_ZDOTDIR ]]; then
    export ZDOTDIR=$__TCENV_ZDOTDIR
  else
    unset ZDOTDIR
  fi
  unset __TCENV_ZDOTDIR

  # Run once at the first prompt, by either of two ways, since start-up files may replace precmd_functions.
  __tcenv_start() {
    emulate -L zsh
    setopt noxtrace noverbose noallexport
    precmd_functions=(${precmd_functions:#__tcenv_start})
    (( ${+__TCENV_LOAD} )) || return 0
    eval "$__TCENV_LOAD"
    unset __TCENV_LOAD
    # Run it last, and again when the line editor starts: some themes set PROMPT after every other function.
    precmd_functions+=(__tcenv_mark_subshell)
    autoload -Uz add-zle-hook-widget
    zmodload zsh/zle
    add-zle-hook-widget line-init __tcenv_mark_line 2>/dev/null
    __tcenv_mark_subshell
  }

  # The prompt shows an element of psvar, so that other programs that move the prompt do not duplicate the mark.
  __tcenv_mark_subshell() {
    emulate -L zsh
    psvar[98]=''
    [[ -n ${TCENV_PROFILE-} && ${TCENV_PROFILE-} != *[^A-Za-z0-9._@-]* ]] && psvar[98]=":$TCENV_PROFILE"
    [[ ${PROMPT-} == *'(tcenv%98v)'* ]] || PROMPT='(tcenv%98v) '${PROMPT-}
  }

  __tcenv_mark_line() {
    [[ ${PROMPT-} == *'(tcenv%98v)'* ]] && return
    __tcenv_mark_subshell
    zle reset-prompt
  }

  precmd_functions+=(__tcenv_start)
  zmodload zsh/sched 2>/dev/null && sched +0 __tcenv_start

  [[ -r ${ZDOTDIR:-$HOME}/.zshenv ]] && source ${ZDOTDIR:-$HOME}/.zshenv
fi
