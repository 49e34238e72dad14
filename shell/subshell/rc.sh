# The start-up file of `tcenv shell` for the shells that read $ENV (ksh93, mksh, yash, dash): the user's own, then the session,
# then the mark in the prompt.
# shellcheck shell=sh
if [ -n "${__TCENV_ENV-}" ]; then
  ENV=$__TCENV_ENV
else
  unset -v ENV
fi
unset -v __TCENV_ENV
for __tcenv_file in "${ENV-}" "${__TCENV_OWN-}"; do
  if [ -n "$__tcenv_file" ] && [ -r "$__tcenv_file" ]; then
    # shellcheck disable=SC1090
    . "$__tcenv_file"
    break
  fi
done
unset -v __tcenv_file __TCENV_OWN
eval "${__TCENV_LOAD-}"
unset -v __TCENV_LOAD
PS1="(tcenv:$TCENV_SUBSHELL) ${PS1-\$ }"
