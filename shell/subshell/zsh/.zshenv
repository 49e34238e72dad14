# `tcenv shell` points ZDOTDIR here. Put it back at once, so that all files of the user's and the system's are read and written
# where they belong. The session, and the mark in the prompt, come when those have been read.
if [[ -n ${__TCENV_ZDOTDIR+set} ]]; then
  if [[ -n $__TCENV_ZDOTDIR ]]; then
    export ZDOTDIR=$__TCENV_ZDOTDIR
  else
    unset ZDOTDIR
  fi
  unset __TCENV_ZDOTDIR

  # Called at the first prompt, once by either of two ways: start-up files may set precmd_functions anew.
  __tcenv_start() {
    emulate -L zsh
    setopt noxtrace noverbose noallexport
    precmd_functions=(${precmd_functions:#__tcenv_start})
    (( ${+__TCENV_LOAD} )) || return 0
    eval "$__TCENV_LOAD"
    unset __TCENV_LOAD
    # Last, and again where the line is edited: some themes make PROMPT behind every other function.
    precmd_functions+=(__tcenv_mark_subshell)
    autoload -Uz add-zle-hook-widget
    zmodload zsh/zle
    add-zle-hook-widget line-init __tcenv_mark_line 2>/dev/null
    __tcenv_mark_subshell
  }

  # The prompt shows an element of psvar, so that there is one mark wherever other programs put it.
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
