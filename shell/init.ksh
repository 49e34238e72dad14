# tcenv for ksh93 and mksh: the function that applies login, env and logout to this shell, and the prompt hook.
# shellcheck shell=ksh

# --- function
case ${KSH_VERSION-} in
  *MIRBSD* | *LEGACY*)
    __tcenv_shell=mksh
    \eval 'function __tcenv_inside { [[ $BASHPID != "$$" ]]; }'
    \eval 'function __tcenv_clock { now=${EPOCHREALTIME%%.*}; }'
    ;;
  *)
    __tcenv_shell=ksh
    \eval 'function __tcenv_inside { ((.sh.subshell > 0)); }'
    \eval '__tcenv_clock() { now=${ printf "%(%s)T"; }; }'
    ;;
esac

function tcenv {
  typeset __tcenv_arg __tcenv_text
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
  if __tcenv_inside; then
    # Inside of $(…) the text is what is wanted.
    \command tcenv "$@" --shell "$__tcenv_shell"
    return
  fi
  __tcenv_text=$(\command tcenv "$@" --shell "$__tcenv_shell") || return
  \eval "$__tcenv_text"
}

# --- hook
# What this shell has loaded, by profile and end; its token; from when on to remind of the end.
__tcenv_seen=${__tcenv_seen-}
__tcenv_token=${__tcenv_token-}
__tcenv_renew=${__tcenv_renew-0}
__tcenv_tracked=${__tcenv_tracked-}
__tcenv_reminded=${__tcenv_reminded-}

__tcenv_hook() {
  __tcenv_status=$?
  if [[ -n ${TCENV_PROFILE-} && -n ${TASKCLUSTER_ACCESS_TOKEN-} ]]; then
    __tcenv_check
  fi
  return "$__tcenv_status"
}

__tcenv_check() {
  now=0
  __tcenv_clock
  __tcenv_file=${XDG_RUNTIME_DIR-}/tcenv/$TCENV_PROFILE.session __tcenv_first=''
  if [[ ${TCENV_PROFILE}:${TCENV_EXPIRES-} != "$__tcenv_seen" ]]; then
    # Loaded since the last prompt, or inherited.
    __tcenv_seen=${TCENV_PROFILE}:${TCENV_EXPIRES-}
    __tcenv_token=$TASKCLUSTER_ACCESS_TOKEN __tcenv_tracked='' __tcenv_reminded=''
    __tcenv_renew=$((${TCENV_EXPIRES:-600} - 600))
  fi
  if [[ -z ${TASKCLUSTER_CERTIFICATE-} ]]; then
    if [[ -r $__tcenv_file ]] && IFS='' read -r __tcenv_first <"$__tcenv_file"; then
      if [[ $__tcenv_first == "TASKCLUSTER_ACCESS_TOKEN=$TASKCLUSTER_ACCESS_TOKEN" ]]; then
        __tcenv_token=$TASKCLUSTER_ACCESS_TOKEN
        if [[ -z $__tcenv_tracked ]]; then
          __tcenv_load
        fi
      elif [[ $__tcenv_token == "$TASKCLUSTER_ACCESS_TOKEN" ]]; then
        __tcenv_load
      fi
    elif [[ -n $__tcenv_tracked && $__tcenv_token == "$TASKCLUSTER_ACCESS_TOKEN" ]]; then
      __tcenv_unload 'signed out elsewhere'
      return 0
    fi
  fi
  if [[ $__tcenv_token != "$TASKCLUSTER_ACCESS_TOKEN" || ${TCENV_EXPIRES:-x} == *[!0-9]* || $now == 0 ]]; then
    return 0
  fi
  if ((now >= TCENV_EXPIRES)); then
    __tcenv_unload 'the session has expired'
  elif ((now >= __tcenv_renew)) && [[ -z $__tcenv_reminded ]]; then
    __tcenv_reminded=1
    \print -u2 -r -- "tcenv: $TCENV_PROFILE ends in $(((TCENV_EXPIRES - now) / 60)) min; tcenv login --reset renews it"
  fi
}

# Load the session from its file, if it is whole, live, and of this shell's deployment.
function __tcenv_load {
  typeset key value root='' client='' token='' profile='' expires='' renew='' end=''
  while IFS='=' read -r key value; do
    case $key in
      TASKCLUSTER_ROOT_URL) root=$value ;;
      TASKCLUSTER_CLIENT_ID) client=$value ;;
      TASKCLUSTER_ACCESS_TOKEN) token=$value ;;
      TCENV_PROFILE) profile=$value ;;
      TCENV_EXPIRES) expires=$value ;;
      RENEW) renew=$value ;;
      END) end=$value ;;
    esac
  done <"$__tcenv_file"
  if [[ $end != tcenv-session-1 || $profile != "$TCENV_PROFILE" || $root != "${TASKCLUSTER_ROOT_URL-}" ||
    ${expires:-x} == *[!0-9]* || ${renew:-x} == *[!0-9]* ]]; then
    return 0
  fi
  __tcenv_tracked=1
  if ((now < expires)); then
    if [[ $__tcenv_token != "$token" ]]; then
      __tcenv_reminded=''
    fi
    \export TASKCLUSTER_CLIENT_ID="$client" TASKCLUSTER_ACCESS_TOKEN="$token" TCENV_EXPIRES="$expires"
    \unset -v TASKCLUSTER_CERTIFICATE
    __tcenv_token=$token __tcenv_renew=$renew __tcenv_seen=$profile:$expires
  fi
}

__tcenv_unload() {
  \print -u2 -r -- "tcenv: $TCENV_PROFILE: $1; tcenv login signs in again"
  \unset -v TASKCLUSTER_ROOT_URL TASKCLUSTER_CLIENT_ID TASKCLUSTER_ACCESS_TOKEN TASKCLUSTER_CERTIFICATE \
    TCENV_PROFILE TCENV_EXPIRES
  __tcenv_token='' __tcenv_tracked='' __tcenv_seen=''
}

# `${ …; }` runs in this shell, without a process of its own.
case ${PS1-} in
  *__tcenv_hook*) ;;
  *) PS1='${ __tcenv_hook; }'${PS1-} ;;
esac
