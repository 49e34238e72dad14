#!/bin/sh
# Start the user's shell or command on the far side of a `tcenv ssh` run, with the run's token from the FIFO beside this
# file. tcenv sets `root_url`, `client_id`, `behind` and `command` (empty: the login shell) before.
set +e +u +x +f +C
: "${root_url:?}" "${client_id:?}" "${behind:?}"
dir=${0%/*}
# Open it for writing first: opening it for reading alone would wait for a writer that may be gone.
# shellcheck disable=SC2094  # a FIFO
exec 3<>"$dir/p" 4<"$dir/p" 3<&-
IFS= read -r token <&4 || exit 255
exec 4<&-
# Note when this process started, to tell it from a later one with its number.
began=
{ IFS= read -r began <"/proc/$$/stat"; } 2>/dev/null && {
  end_of_name=') '
  # shellcheck disable=SC2086  # words
  set -- ${began##*"$end_of_name"}
  if [ "$#" -gt 19 ]; then
    shift 19
    began=$1
  else
    began=
  fi
}
echo "$$ $began" >"$dir/pid"
TASKCLUSTER_ROOT_URL=$root_url
TASKCLUSTER_CLIENT_ID=$client_id
TASKCLUSTER_ACCESS_TOKEN=${token#t}
TCENV_PROXY=$behind
export TASKCLUSTER_ROOT_URL TASKCLUSTER_CLIENT_ID TASKCLUSTER_ACCESS_TOKEN TCENV_PROXY
unset TASKCLUSTER_CERTIFICATE TASKCLUSTER_PROXY_URL TCENV_PROFILE TCENV_EXPIRES TCENV_LOADED
unset token root_url client_id behind dir began end_of_name
if [ -n "${http_proxy-}${HTTP_PROXY-}${all_proxy-}${ALL_PROXY-}" ]; then
  # Calls to loopback must not go to the network's proxy.
  no_proxy=${no_proxy:+$no_proxy,}localhost,127.0.0.1
  NO_PROXY=${NO_PROXY:+$NO_PROXY,}localhost,127.0.0.1
  export no_proxy NO_PROXY
fi
: "${SHELL:=/bin/sh}"
if [ -n "$command" ]; then
  exec "$SHELL" -c "$command"
fi
unset command
case ${SHELL##*/} in
  bash | zsh | fish | tcsh | csh | ksh | ksh93 | mksh | yash) exec "$SHELL" -l ;;
esac
# Other shells may not know -l.
if "$SHELL" -l -c : </dev/null >/dev/null 2>&1; then
  exec "$SHELL" -l
fi
exec "$SHELL"
