# `tcenv shell` points ZDOTDIR here; the user's own files are read from where they are.
if [[ -n ${__TCENV_ZDOTDIR+set} ]]; then
  __tcenv_here=$ZDOTDIR
  ZDOTDIR=$__TCENV_ZDOTDIR
  [[ -r ${ZDOTDIR:-$HOME}/.zshenv ]] && source ${ZDOTDIR:-$HOME}/.zshenv
  __TCENV_ZDOTDIR=$ZDOTDIR
  ZDOTDIR=$__tcenv_here
  unset __tcenv_here
fi
