# tcenv for zsh: the function that applies login, env and logout to this shell, and the prompt hook.

# --- function
typeset -g __tcenv_level=$ZSH_SUBSHELL

tcenv() {
  \builtin emulate -L zsh
  \builtin local __tcenv_arg __tcenv_text
  case ${1-} in
    (login|env|logout) ;;
    (*) \command tcenv "$@"; \builtin return ;;
  esac
  for __tcenv_arg in "$@"; do
    case $__tcenv_arg in
      (-h|--help|--shell|--shell=*|--format|--format=*) \command tcenv "$@"; \builtin return ;;
    esac
  done
  if [[ $ZSH_SUBSHELL != "$__tcenv_level" ]]; then
    # Inside of $(…) the text is what is wanted.
    \command tcenv "$@" --shell zsh
    \builtin return
  fi
  __tcenv_text=$(\command tcenv "$@" --shell zsh) || \builtin return
  \builtin eval "$__tcenv_text"
}

# --- hook
\builtin zmodload zsh/datetime zsh/system
# What this shell has loaded, by profile and end; its token; whether its file has been seen; and the two times that matter:
# from when on to remind of the end, and the end.
typeset -g __tcenv_seen=${__tcenv_seen-} __tcenv_token=${__tcenv_token-} __tcenv_tracked=${__tcenv_tracked-}
typeset -gi __tcenv_renew=${__tcenv_renew-0} __tcenv_end=${__tcenv_end-0} __tcenv_fd=0
typeset -g __tcenv_text=''

# What is done at every prompt keeps away from whatever options could bend, and reads with two system calls: `read` would
# make one for each character.
__tcenv_hook() {
  [[ -n ${TCENV_PROFILE-} && -n ${TASKCLUSTER_ACCESS_TOKEN-} ]] || \builtin return 0
  if [[ "$TCENV_PROFILE:${TCENV_EXPIRES-}" != "$__tcenv_seen" ]]; then
    # Loaded since the last prompt, or inherited.
    __tcenv_adopt
  fi
  if [[ -z ${TASKCLUSTER_CERTIFICATE-} ]]; then
    if [[ -r "${XDG_RUNTIME_DIR-}/tcenv/$TCENV_PROFILE.session" ]] &&
      \builtin sysopen -r -o cloexec -u __tcenv_fd "$XDG_RUNTIME_DIR/tcenv/$TCENV_PROFILE.session"; then
      __tcenv_text=''
      \builtin sysread -i $__tcenv_fd -s 128 __tcenv_text
      \builtin exec {__tcenv_fd}<&-
      if [[ "$__tcenv_text" == "TASKCLUSTER_ACCESS_TOKEN=$TASKCLUSTER_ACCESS_TOKEN"$'\n'* ]]; then
        __tcenv_token=$TASKCLUSTER_ACCESS_TOKEN
        [[ -n $__tcenv_tracked ]] || __tcenv_load
      elif [[ "$__tcenv_token" == "$TASKCLUSTER_ACCESS_TOKEN" ]]; then
        __tcenv_load
      fi
    elif [[ -n $__tcenv_tracked && "$__tcenv_token" == "$TASKCLUSTER_ACCESS_TOKEN" ]]; then
      __tcenv_unload 'signed out elsewhere'
      \builtin return 0
    fi
  fi
  if (( EPOCHSECONDS >= __tcenv_renew && __tcenv_end > 0 )) && [[ "$__tcenv_token" == "$TASKCLUSTER_ACCESS_TOKEN" ]]; then
    if (( EPOCHSECONDS >= __tcenv_end )); then
      __tcenv_unload 'the session has expired'
    else
      \builtin printf 'tcenv: %s ends in %d min; tcenv login --reset renews it\n' "$TCENV_PROFILE" \
        $(( (__tcenv_end - EPOCHSECONDS) / 60 )) >&2
      __tcenv_renew=$__tcenv_end
    fi
  fi
  \builtin return 0
}

__tcenv_adopt() {
  \builtin emulate -L zsh
  __tcenv_seen=$TCENV_PROFILE:${TCENV_EXPIRES-}
  __tcenv_token=$TASKCLUSTER_ACCESS_TOKEN __tcenv_tracked='' __tcenv_end=0
  if [[ ${TCENV_EXPIRES-} == <-> ]]; then
    __tcenv_end=$TCENV_EXPIRES __tcenv_renew=$(( TCENV_EXPIRES - 600 ))
  fi
}

# Load the session from its file, if it is whole, live, and of this shell's deployment.
__tcenv_load() {
  \builtin emulate -L zsh
  \builtin local file=$XDG_RUNTIME_DIR/tcenv/$TCENV_PROFILE.session now=$EPOCHSECONDS
  \builtin local key value root client token profile expires renew end
  while IFS='=' \builtin read -r key value; do
    case $key in
      (TASKCLUSTER_ROOT_URL) root=$value ;;
      (TASKCLUSTER_CLIENT_ID) client=$value ;;
      (TASKCLUSTER_ACCESS_TOKEN) token=$value ;;
      (TCENV_PROFILE) profile=$value ;;
      (TCENV_EXPIRES) expires=$value ;;
      (RENEW) renew=$value ;;
      (END) end=$value ;;
    esac
  done 2>/dev/null <$file
  [[ $end == tcenv-session-1 && $profile == "$TCENV_PROFILE" && $root == "${TASKCLUSTER_ROOT_URL-}" &&
    $expires == <-> && $renew == <-> ]] || \builtin return 0
  __tcenv_tracked=1
  (( now < expires )) || \builtin return 0
  \builtin export TASKCLUSTER_CLIENT_ID=$client TASKCLUSTER_ACCESS_TOKEN=$token TCENV_EXPIRES=$expires
  \builtin unset TASKCLUSTER_CERTIFICATE
  __tcenv_token=$token __tcenv_renew=$renew __tcenv_end=$expires __tcenv_seen=$profile:$expires
}

__tcenv_unload() {
  \builtin emulate -L zsh
  \builtin printf 'tcenv: %s: %s; tcenv login signs in again\n' "$TCENV_PROFILE" "$1" >&2
  \builtin unset TASKCLUSTER_ROOT_URL TASKCLUSTER_CLIENT_ID TASKCLUSTER_ACCESS_TOKEN TASKCLUSTER_CERTIFICATE \
    TCENV_PROFILE TCENV_EXPIRES
  __tcenv_token='' __tcenv_tracked='' __tcenv_seen='' __tcenv_end=0
}

typeset -ga precmd_functions
if [[ " ${precmd_functions[*]-} " != *' __tcenv_hook '* ]]; then
  precmd_functions=(__tcenv_hook "${precmd_functions[@]}")
fi
