# tcenv for bash: the function that applies login, env and logout to this shell, and the prompt hook.
# shellcheck shell=bash

# --- function
__tcenv_level=${BASH_SUBSHELL-0}

tcenv() {
  \builtin local __tcenv_arg __tcenv_text
  case ${1-} in
    login | env | logout) ;;
    *)
      \command tcenv "$@"
      return
      ;;
  esac
  for __tcenv_arg in "$@"; do
    case $__tcenv_arg in
      -h | --help | --shell | --shell=* | --format | --format=*)
        \command tcenv "$@"
        return
        ;;
    esac
  done
  if [[ ${BASH_SUBSHELL-0} != "$__tcenv_level" ]]; then
    # Inside of $(…) the text is what is wanted.
    \command tcenv "$@" --shell bash
    return
  fi
  __tcenv_text=$(\command tcenv "$@" --shell bash) || return
  \builtin eval "$__tcenv_text"
}

# --- hook
# What this shell has loaded, by profile and end; its token; whether its file has been seen; and the two times that matter:
# from when on to remind of the end, and the end.
__tcenv_seen=${__tcenv_seen-}
__tcenv_token=${__tcenv_token-}
__tcenv_tracked=${__tcenv_tracked-}
__tcenv_renew=${__tcenv_renew-0}
__tcenv_end=${__tcenv_end-0}

__tcenv_hook() {
  \builtin local __tcenv_status=$?
  if [[ -n ${TCENV_PROFILE-} && -n ${TASKCLUSTER_ACCESS_TOKEN-} ]]; then
    __tcenv_check
  fi
  \builtin return "$__tcenv_status"
}

__tcenv_check() {
  \builtin local file=${XDG_RUNTIME_DIR-}/tcenv/$TCENV_PROFILE.session first='' now=${EPOCHSECONDS-}
  if [[ -z $now ]]; then
    \builtin printf -v now '%(%s)T' -1 2>/dev/null || now=0
  fi
  if [[ $TCENV_PROFILE:${TCENV_EXPIRES-} != "$__tcenv_seen" ]]; then
    # Loaded since the last prompt, or inherited.
    __tcenv_seen=$TCENV_PROFILE:${TCENV_EXPIRES-}
    __tcenv_token=$TASKCLUSTER_ACCESS_TOKEN __tcenv_tracked='' __tcenv_end=0
    if [[ ${TCENV_EXPIRES-} =~ ^[0-9]+$ ]]; then
      __tcenv_end=$TCENV_EXPIRES __tcenv_renew=$((TCENV_EXPIRES - 600))
    fi
  fi
  if [[ -z ${TASKCLUSTER_CERTIFICATE-} ]]; then
    if [[ -r $file ]] && IFS='' \builtin read -r first <"$file"; then
      if [[ $first == "TASKCLUSTER_ACCESS_TOKEN=$TASKCLUSTER_ACCESS_TOKEN" ]]; then
        __tcenv_token=$TASKCLUSTER_ACCESS_TOKEN
        if [[ -z $__tcenv_tracked ]]; then
          __tcenv_load
        fi
      elif [[ $__tcenv_token == "$TASKCLUSTER_ACCESS_TOKEN" ]]; then
        __tcenv_load
      fi
    elif [[ -n $__tcenv_tracked && $__tcenv_token == "$TASKCLUSTER_ACCESS_TOKEN" ]]; then
      __tcenv_unload 'signed out elsewhere'
      \builtin return 0
    fi
  fi
  if ((now >= __tcenv_renew && __tcenv_end > 0)) && [[ $__tcenv_token == "$TASKCLUSTER_ACCESS_TOKEN" ]]; then
    if ((now >= __tcenv_end)); then
      __tcenv_unload 'the session has expired'
    else
      \builtin printf 'tcenv: %s ends in %d min; tcenv login --reset renews it\n' "$TCENV_PROFILE" \
        $(((__tcenv_end - now) / 60)) >&2
      __tcenv_renew=$__tcenv_end
    fi
  fi
}

# Load the session from its file, if it is whole, live, and of this shell's deployment.
__tcenv_load() {
  \builtin local key value root='' client='' token='' profile='' expires='' renew='' end=''
  while IFS='=' \builtin read -r key value; do
    case $key in
      TASKCLUSTER_ROOT_URL) root=$value ;;
      TASKCLUSTER_CLIENT_ID) client=$value ;;
      TASKCLUSTER_ACCESS_TOKEN) token=$value ;;
      TCENV_PROFILE) profile=$value ;;
      TCENV_EXPIRES) expires=$value ;;
      RENEW) renew=$value ;;
      END) end=$value ;;
    esac
  done 2>/dev/null <"$file"
  if [[ $end != tcenv-session-1 || $profile != "$TCENV_PROFILE" || $root != "${TASKCLUSTER_ROOT_URL-}" ||
    ! $expires =~ ^[0-9]+$ || ! $renew =~ ^[0-9]+$ ]]; then
    \builtin return 0
  fi
  __tcenv_tracked=1
  if ((now < expires)); then
    # shellcheck disable=SC2034 # it does not see through the backslash
    \builtin export TASKCLUSTER_CLIENT_ID="$client" TASKCLUSTER_ACCESS_TOKEN="$token" TCENV_EXPIRES="$expires"
    \builtin unset -v TASKCLUSTER_CERTIFICATE
    __tcenv_token=$token __tcenv_renew=$renew __tcenv_end=$expires __tcenv_seen=$profile:$expires
  fi
}

__tcenv_unload() {
  \builtin printf 'tcenv: %s: %s; tcenv login signs in again\n' "$TCENV_PROFILE" "$1" >&2
  \builtin unset -v TASKCLUSTER_ROOT_URL TASKCLUSTER_CLIENT_ID TASKCLUSTER_ACCESS_TOKEN TASKCLUSTER_CERTIFICATE \
    TCENV_PROFILE TCENV_EXPIRES
  __tcenv_token='' __tcenv_tracked='' __tcenv_seen='' __tcenv_end=0
}

# First, so that $? is still the user's; in the form, string or array, that the user has.
if [[ "$(\builtin declare -p PROMPT_COMMAND 2>/dev/null)" == 'declare -a'* ]]; then
  if [[ " ${PROMPT_COMMAND[*]-} " != *' __tcenv_hook '* ]]; then
    PROMPT_COMMAND=(__tcenv_hook "${PROMPT_COMMAND[@]}")
  fi
elif [[ ";${PROMPT_COMMAND-};" != *';__tcenv_hook;'* ]]; then
  # shellcheck disable=SC2178,SC2128
  PROMPT_COMMAND="__tcenv_hook${PROMPT_COMMAND:+;$PROMPT_COMMAND}"
fi
