# tcenv for zsh: the function that applies login, signin, env and logout to this shell, and the prompt hook.

# --- function
\builtin unset __tcenv_level __tcenv_program
typeset -g __tcenv_level=$ZSH_SUBSHELL __tcenv_program=@PROGRAM@

# The program that the PATH finds, else the one that made this text; it is told that this function is there.
__tcenv_run() {
  if \builtin whence -p tcenv >/dev/null; then
    __TCENV_FUNCTION=1 \command tcenv "$@"
  else
    __TCENV_FUNCTION=1 \command "$__tcenv_program" "$@"
  fi
}

tcenv() {
  # What has a token at hand is not traced; all of this is as before when the function ends, after Ctrl-C too.
  \builtin emulate -L zsh
  \builtin setopt noxtrace noverbose
  \builtin local __tcenv_arg __tcenv_text
  case ${1-} in
    (@EVALUATED@) ;;
    (*) __tcenv_run "$@"; \builtin return ;;
  esac
  for __tcenv_arg in "$@"; do
    case $__tcenv_arg in
      (-h|--help|--shell|--shell=*|--format|--format=*|--csh|--check) __tcenv_run "$@"; \builtin return ;;
    esac
  done
  if [[ $ZSH_SUBSHELL != "$__tcenv_level" ]]; then
    # Inside of $(…) the text is what is wanted.
    __tcenv_run "$@" --shell zsh
    \builtin return
  fi
  \builtin trap - DEBUG
  __tcenv_text=$(__tcenv_run "$@" --shell zsh) || \builtin return
  \builtin eval "$__tcenv_text"
}

# --- hook
# A variable of its name that was inherited would stand in for the clock.
\builtin zmodload -e zsh/datetime || \builtin unset EPOCHSECONDS EPOCHREALTIME epochtime
\builtin zmodload zsh/datetime zsh/system
# Where the stores keep their files (the first one, as long as XDG_RUNTIME_DIR is what it was), and which store is in use
# unless TCENV_STORE says so.
\builtin unset __tcenv_runtime __tcenv_files __tcenv_store __tcenv_xdg
typeset -g __tcenv_runtime=@RUNTIME@ __tcenv_files=@FILES@ __tcenv_store=@STORE@ __tcenv_xdg=@XDG@
# What this shell has loaded: as it was seen, its profile, root URL, token and file; whether that file is to be there, and has
# been read; and the two times that matter: from when on to remind of the end, and the end. Nothing of it is inherited.
\builtin unset __tcenv_seen __tcenv_profile __tcenv_root __tcenv_token __tcenv_file __tcenv_kept __tcenv_read __tcenv_text \
  __tcenv_renew __tcenv_end __tcenv_fd
typeset -g __tcenv_seen='' __tcenv_profile='' __tcenv_root='' __tcenv_token='' __tcenv_file='' __tcenv_kept='' __tcenv_read=''
typeset -g __tcenv_text=''
typeset -gi __tcenv_renew=0 __tcenv_end=0 __tcenv_fd=0

# What is done at every prompt keeps away from whatever options could bend, and reads with two system calls: `read` would
# make one for each character. What is read cannot hold it up; whose it is, is asked before it is believed.
__tcenv_hook() {
  [[ ! -o xtrace ]] || \builtin setopt localoptions noxtrace
  [[ -n ${TCENV_PROFILE-} && -n ${TASKCLUSTER_ACCESS_TOKEN-} ]] || \builtin return 0
  if [[ "$TCENV_PROFILE ${TCENV_EXPIRES-} ${TCENV_STORE-} ${TCENV_LOADED-}" != "$__tcenv_seen" ]]; then
    # Loaded since the last prompt, or inherited.
    __tcenv_adopt
  fi
  [[ -n "$__tcenv_profile" && "${TASKCLUSTER_ROOT_URL-}" == "$__tcenv_root" ]] || \builtin return 0
  if [[ -n "$__tcenv_file" && -z ${TASKCLUSTER_CERTIFICATE-} ]]; then
    if [[ -f "$__tcenv_file" && -r "$__tcenv_file" ]] &&
      \builtin sysopen -r -o cloexec,nonblock -u __tcenv_fd "$__tcenv_file"; then
      __tcenv_text=''
      \builtin sysread -i $__tcenv_fd -s 128 __tcenv_text
      \builtin exec {__tcenv_fd}<&-
      if [[ "$__tcenv_text" == "TASKCLUSTER_ACCESS_TOKEN=$TASKCLUSTER_ACCESS_TOKEN"$'\n'* ]]; then
        __tcenv_token=$TASKCLUSTER_ACCESS_TOKEN __tcenv_kept=1
        [[ -n $__tcenv_read ]] || __tcenv_load
      elif [[ "$__tcenv_token" == "$TASKCLUSTER_ACCESS_TOKEN" ]]; then
        __tcenv_load
      fi
    elif [[ -n $__tcenv_kept && "$__tcenv_token" == "$TASKCLUSTER_ACCESS_TOKEN" && ! -e "$__tcenv_file" &&
      ! -L "$__tcenv_file" ]] && __tcenv_ours "${__tcenv_file%/*}" &&
      (( __tcenv_end == 0 || EPOCHSECONDS < __tcenv_end )); then
      __tcenv_unload 'signed out elsewhere'
      \builtin return 0
    fi
  fi
  if (( EPOCHSECONDS >= __tcenv_renew && __tcenv_end > 0 )) && [[ "$__tcenv_token" == "$TASKCLUSTER_ACCESS_TOKEN" ]]; then
    if (( EPOCHSECONDS >= __tcenv_end )); then
      __tcenv_unload 'the session has expired'
    else
      \builtin printf 'tcenv: %s ends in %d min; tcenv login %s --reset renews it\n' "$__tcenv_profile" \
        $(( (__tcenv_end - EPOCHSECONDS) / 60 )) "$__tcenv_profile" >&2
      __tcenv_renew=$__tcenv_end
    fi
  fi
  \builtin return 0
}

# Note what is loaded, if it is what tcenv could have loaded: whoever set these variables is not known.
__tcenv_adopt() {
  \builtin emulate -L zsh
  __tcenv_seen="$TCENV_PROFILE ${TCENV_EXPIRES-} ${TCENV_STORE-} ${TCENV_LOADED-}"
  __tcenv_token=$TASKCLUSTER_ACCESS_TOKEN
  __tcenv_profile='' __tcenv_file='' __tcenv_kept='' __tcenv_read='' __tcenv_renew=0 __tcenv_end=0
  case $TCENV_PROFILE in
    ([^A-Za-z0-9]*|*[^A-Za-z0-9._@-]*) \builtin return 0 ;;
  esac
  (( ${#TCENV_PROFILE} <= 128 )) || \builtin return 0
  __tcenv_profile=$TCENV_PROFILE
  __tcenv_root=${TCENV_LOADED:-${TASKCLUSTER_ROOT_URL-}}
  __tcenv_root=${__tcenv_root%% *}
  case ${TCENV_LOADED-} in
    (''|*' -'|*' - '*) ;;
    (*) __tcenv_kept=1 ;;
  esac
  case ${TCENV_EXPIRES-} in
    (''|0*|*[^0-9]*|????????????????*) ;;
    (*) __tcenv_end=$TCENV_EXPIRES __tcenv_renew=$(( TCENV_EXPIRES - 600 )) ;;
  esac
  case ${TCENV_STORE:-$__tcenv_store} in
    (auto|runtime) [[ "${XDG_RUNTIME_DIR-}" != "$__tcenv_xdg" ]] || __tcenv_file=$__tcenv_runtime ;;
    (file) __tcenv_file=$__tcenv_files ;;
  esac
  __tcenv_file=${__tcenv_file:+$__tcenv_file/$__tcenv_profile.session}
}

# Whether what is at the path is this user's own, and no link.
__tcenv_ours() {
  [[ -O "$1" && ! -L "$1" ]]
}

# Load the session from its file, if it is whole, live, and of this shell's deployment.
__tcenv_load() {
  \builtin emulate -L zsh
  __tcenv_ours "${__tcenv_file%/*}" && __tcenv_ours "$__tcenv_file" || \builtin return 0
  \builtin local __tcenv_key __tcenv_value __tcenv_url __tcenv_client __tcenv_new __tcenv_name __tcenv_expires __tcenv_soon \
    __tcenv_last
  while IFS='=' \builtin read -r __tcenv_key __tcenv_value; do
    case $__tcenv_key in
      (TASKCLUSTER_ROOT_URL) __tcenv_url=$__tcenv_value ;;
      (TASKCLUSTER_CLIENT_ID) __tcenv_client=$__tcenv_value ;;
      (TASKCLUSTER_ACCESS_TOKEN) __tcenv_new=$__tcenv_value ;;
      (TCENV_PROFILE) __tcenv_name=$__tcenv_value ;;
      (TCENV_EXPIRES) __tcenv_expires=$__tcenv_value ;;
      (RENEW) __tcenv_soon=$__tcenv_value ;;
      # Being reset, or ended: not to be trusted as it is.
      (STATE) \builtin return 0 ;;
      (END) __tcenv_last=$__tcenv_value ;;
    esac
  done 2>/dev/null <"$__tcenv_file"
  [[ $__tcenv_last == tcenv-session-1 && $__tcenv_name == "$__tcenv_profile" && $__tcenv_url == "$__tcenv_root" ]] ||
    \builtin return 0
  case $__tcenv_expires:$__tcenv_soon in
    (0*|*:0*|*[^0-9:]*|:*|*:|????????????????*:*|*:????????????????*) \builtin return 0 ;;
  esac
  __tcenv_read=1 __tcenv_kept=1
  (( EPOCHSECONDS < __tcenv_expires )) || \builtin return 0
  \builtin export TASKCLUSTER_CLIENT_ID=$__tcenv_client TASKCLUSTER_ACCESS_TOKEN=$__tcenv_new TCENV_EXPIRES=$__tcenv_expires
  \builtin unset TASKCLUSTER_CERTIFICATE
  __tcenv_token=$__tcenv_new __tcenv_renew=$__tcenv_soon __tcenv_end=$__tcenv_expires
  __tcenv_seen="$TCENV_PROFILE $TCENV_EXPIRES ${TCENV_STORE-} ${TCENV_LOADED-}"
}

# Take away what was loaded; the root URL becomes what it was before that.
__tcenv_unload() {
  \builtin emulate -L zsh
  \builtin local __tcenv_before=''
  \builtin printf 'tcenv: %s: %s; tcenv login %s signs in again\n' "$__tcenv_profile" "$1" "$__tcenv_profile" >&2
  [[ ${TCENV_LOADED-} == *' '* ]] && __tcenv_before=${TCENV_LOADED##* }
  \builtin unset TASKCLUSTER_ROOT_URL TASKCLUSTER_CLIENT_ID TASKCLUSTER_ACCESS_TOKEN TASKCLUSTER_CERTIFICATE \
    TCENV_PROFILE TCENV_EXPIRES TCENV_LOADED
  case $__tcenv_before in
    (''|-|*[^]A-Za-z0-9:/._~%@+[-]*) ;;
    (*) \builtin export TASKCLUSTER_ROOT_URL=$__tcenv_before ;;
  esac
  __tcenv_token='' __tcenv_profile='' __tcenv_seen='' __tcenv_kept='' __tcenv_end=0
}

typeset -ga precmd_functions
if [[ " ${precmd_functions[*]-} " != *' __tcenv_hook '* ]]; then
  precmd_functions=(__tcenv_hook "${precmd_functions[@]}")
fi

# --- prompt
# The profile that is loaded, in front of the user's own prompt; a subshell of tcenv has its own mark.
\builtin unset __tcenv_shown
typeset -g __tcenv_shown=''

__tcenv_prompt() {
  \builtin emulate -L zsh
  \builtin local __tcenv_mark=''
  # A prompt is expanded: what is no profile's name does not come in.
  [[ -z ${TCENV_SUBSHELL-} && -n ${TCENV_PROFILE-} && ${TCENV_PROFILE-} != *[^A-Za-z0-9._@-]* ]] &&
    __tcenv_mark="(tcenv:$TCENV_PROFILE) "
  # Prompt frameworks make PROMPT anew each time.
  if [[ ${PROMPT-} != "$__tcenv_mark"* || $__tcenv_shown != "$__tcenv_mark" ]]; then
    PROMPT=${PROMPT-}
    PROMPT=${PROMPT#"$__tcenv_shown"}
    PROMPT=$__tcenv_mark${PROMPT#"$__tcenv_mark"}
  fi
  __tcenv_shown=$__tcenv_mark
}

typeset -ga precmd_functions
if [[ " ${precmd_functions[*]-} " != *' __tcenv_prompt '* ]]; then
  precmd_functions+=(__tcenv_prompt)
fi
