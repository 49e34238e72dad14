# The start-up file of `tcenv shell` for shells that read $ENV (ksh93, mksh, yash, dash): read the user's own file, load
# the session, and mark the prompt.
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
\unset -v __tcenv_file __TCENV_OWN
# Do not show the token in a trace.
__tcenv_flags=$-
{ \set +xv; } 2>/dev/null
\eval "${__TCENV_LOAD-}"
\unset -v __TCENV_LOAD
case $__tcenv_flags in *x*) \set -x ;; esac
case $__tcenv_flags in *v*) \set -v ;; esac
\unset -v __tcenv_flags
# These shells expand variables in the prompt, but do not expand their values.
# shellcheck disable=SC2016
case ${PS1-\$ } in
  # Put the hook first, since it may change what is loaded.
  '${ __tcenv_hook; }'*) PS1='${ __tcenv_hook; }(tcenv${TCENV_PROFILE:+:$TCENV_PROFILE}) '${PS1#*\}} ;;
  *) PS1='(tcenv${TCENV_PROFILE:+:$TCENV_PROFILE}) '"${PS1-\$ }" ;;
esac
