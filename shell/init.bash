# tcenv for bash: the function that applies login, signin, env and logout to this shell, and the prompt hook.
# shellcheck shell=bash

# --- function
\builtin unset -v __tcenv_level __tcenv_program
__tcenv_level=${BASH_SUBSHELL-0}
__tcenv_program=@PROGRAM@

# The program that the PATH finds, else the one that made this text; it is told that this function is there.
__tcenv_run() {
  if \builtin type -P tcenv >/dev/null; then
    __TCENV_FUNCTION=1 \command tcenv "$@"
  else
    __TCENV_FUNCTION=1 \command -- "$__tcenv_program" "$@"
  fi
}

tcenv() {
  \builtin local __tcenv_arg
  case ${1-} in
    @EVALUATED@) ;;
    *)
      __tcenv_run "$@"
      return
      ;;
  esac
  for __tcenv_arg in "$@"; do
    case $__tcenv_arg in
      -h | --help | --shell | --shell=* | --format | --format=* | --csh | --check)
        __tcenv_run "$@"
        return
        ;;
    esac
  done
  if [[ ${BASH_SUBSHELL-0} != "$__tcenv_level" ]]; then
    # Inside of $(…) the text is what is wanted.
    __tcenv_run "$@" --shell bash
    return
  fi
  __tcenv_untraced __tcenv_apply "$@"
}

__tcenv_apply() {
  \builtin local __tcenv_text
  __tcenv_text=$(__tcenv_run "$@" --shell bash) || return
  \builtin eval "$__tcenv_text"
}

# Run what has a token at hand without the traces that would show it: `set -x`, and a DEBUG trap that functions inherit.
__tcenv_untraced() {
  \builtin local __tcenv_flags=$-
  if [[ $- == *[xT]* ]]; then
    # From bash 4.4 on they come back by themselves, after Ctrl-C too.
    {
      ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 404)) && \builtin local - && __tcenv_flags=''
      \builtin set +xT
    } 2>/dev/null
  fi
  "$@"
  \builtin set -- "$?"
  case $__tcenv_flags in
    *x*T* | *T*x*) \builtin set -xT ;;
    *x*) \builtin set -x ;;
    *T*) \builtin set -T ;;
  esac
  \builtin return "$1"
}

# --- hook
# Where the stores keep their files (the first one, as long as XDG_RUNTIME_DIR is what it was), and which store is in use
# unless TCENV_STORE says so.
\builtin unset -v __tcenv_runtime __tcenv_files __tcenv_store __tcenv_xdg
__tcenv_runtime=@RUNTIME@
__tcenv_files=@FILES@
__tcenv_store=@STORE@
__tcenv_xdg=@XDG@
# What this shell has loaded: as it was seen, its profile, root URL, token and file; whether that file is to be there, and has
# been read; and the two times that matter: from when on to remind of the end, and the end. Nothing of it is inherited.
\builtin unset -v __tcenv_seen __tcenv_profile __tcenv_root __tcenv_token __tcenv_file __tcenv_kept __tcenv_read \
  __tcenv_renew __tcenv_end
__tcenv_seen='' __tcenv_profile='' __tcenv_root='' __tcenv_token='' __tcenv_file='' __tcenv_kept='' __tcenv_read=''
__tcenv_renew=0 __tcenv_end=0

__tcenv_hook() {
  \builtin local __tcenv_status=$?
  case $- in
    *[xT]*) __tcenv_untraced __tcenv_check ;;
    *) __tcenv_check ;;
  esac
  \builtin return "$__tcenv_status"
}

__tcenv_check() {
  if [[ -z ${TCENV_PROFILE-} || -z ${TASKCLUSTER_ACCESS_TOKEN-} ]]; then
    \builtin return 0
  fi
  if [[ "$TCENV_PROFILE ${TCENV_EXPIRES-} ${TCENV_STORE-} ${TCENV_LOADED-} ${TASKCLUSTER_ROOT_URL-}" != "$__tcenv_seen $__tcenv_root" ]]; then
    if [[ "$TCENV_PROFILE ${TCENV_EXPIRES-} ${TCENV_STORE-} ${TCENV_LOADED-}" != "$__tcenv_seen" ]]; then
      # Loaded since the last prompt, or inherited.
      __tcenv_adopt
    fi
    if [[ -z $__tcenv_profile || ${TASKCLUSTER_ROOT_URL-} != "$__tcenv_root" ]]; then
      \builtin return 0
    fi
  fi
  \builtin local __tcenv_now=${EPOCHSECONDS-} __tcenv_first=''
  case $__tcenv_now in
    '' | *[!0-9]*) \builtin printf -v __tcenv_now '%(%s)T' -1 2>/dev/null || __tcenv_now=0 ;;
  esac
  if [[ -n $__tcenv_file && -z ${TASKCLUSTER_CERTIFICATE-} ]]; then
    # Read is what cannot hang; whose it is, is asked before it is believed. (IFS as it is: a line that it changes is no match,
    # and setting it for the one command takes as long as the rest of the line.)
    if [[ -f $__tcenv_file && -r $__tcenv_file ]]; then
      \builtin read -r __tcenv_first <"$__tcenv_file" || :
      if [[ $__tcenv_first == "TASKCLUSTER_ACCESS_TOKEN=$TASKCLUSTER_ACCESS_TOKEN" ]]; then
        __tcenv_token=$TASKCLUSTER_ACCESS_TOKEN __tcenv_kept=1
        if [[ -z $__tcenv_read ]]; then
          __tcenv_load
        fi
      elif [[ $__tcenv_token == "$TASKCLUSTER_ACCESS_TOKEN" ]]; then
        __tcenv_load
      fi
    elif [[ -n $__tcenv_kept && $__tcenv_token == "$TASKCLUSTER_ACCESS_TOKEN" && ! -e $__tcenv_file && ! -L $__tcenv_file ]]; then
      if __tcenv_ours "${__tcenv_file%/*}" && ((__tcenv_end == 0 || __tcenv_now < __tcenv_end)); then
        __tcenv_unload 'signed out elsewhere'
        \builtin return 0
      fi
    fi
  fi
  if ((__tcenv_now >= __tcenv_renew && __tcenv_end > 0)) && [[ $__tcenv_token == "$TASKCLUSTER_ACCESS_TOKEN" ]]; then
    if ((__tcenv_now >= __tcenv_end)); then
      __tcenv_unload 'the session has expired'
    else
      \builtin printf 'tcenv: %s ends in %d min; tcenv login %s --reset renews it\n' "$__tcenv_profile" \
        "$(((__tcenv_end - __tcenv_now) / 60))" "$__tcenv_profile" >&2 || :
      __tcenv_renew=$__tcenv_end
    fi
  fi
}

# Note what is loaded, if it is what tcenv could have loaded: whoever set these variables is not known.
__tcenv_adopt() {
  __tcenv_seen="$TCENV_PROFILE ${TCENV_EXPIRES-} ${TCENV_STORE-} ${TCENV_LOADED-}"
  __tcenv_token=$TASKCLUSTER_ACCESS_TOKEN
  __tcenv_profile='' __tcenv_root=' none' __tcenv_file='' __tcenv_kept='' __tcenv_read='' __tcenv_renew=0 __tcenv_end=0
  case $TCENV_PROFILE in
    [!A-Za-z0-9]* | *[!A-Za-z0-9._@-]*) \builtin return 0 ;;
  esac
  if ((${#TCENV_PROFILE} > 128)); then
    \builtin return 0
  fi
  __tcenv_profile=$TCENV_PROFILE
  __tcenv_root=${TCENV_LOADED:-${TASKCLUSTER_ROOT_URL-}}
  __tcenv_root=${__tcenv_root%% *}
  case ${TCENV_LOADED-} in
    '' | *' -' | *' - '*) ;;
    *) __tcenv_kept=1 ;;
  esac
  case ${TCENV_EXPIRES-} in
    '' | 0* | *[!0-9]* | ????????????????*) ;;
    *) __tcenv_end=$TCENV_EXPIRES __tcenv_renew=$((TCENV_EXPIRES - 600)) ;;
  esac
  case ${TCENV_STORE:-$__tcenv_store} in
    auto | runtime)
      if [[ ${XDG_RUNTIME_DIR-} == "$__tcenv_xdg" ]]; then
        __tcenv_file=$__tcenv_runtime
      fi
      ;;
    file) __tcenv_file=$__tcenv_files ;;
  esac
  __tcenv_file=${__tcenv_file:+$__tcenv_file/$__tcenv_profile.session}
}

# Whether what is at the path is this user's own, and no link.
__tcenv_ours() {
  [[ -O $1 && ! -L $1 ]]
}

# Load the session from its file, if it is whole, live, and of this shell's deployment.
__tcenv_load() {
  if ! __tcenv_ours "${__tcenv_file%/*}" || ! __tcenv_ours "$__tcenv_file"; then
    \builtin return 0
  fi
  \builtin local __tcenv_key __tcenv_value __tcenv_url='' __tcenv_client='' __tcenv_new='' __tcenv_name='' \
    __tcenv_expires='' __tcenv_soon='' __tcenv_last=''
  while IFS='=' \builtin read -r __tcenv_key __tcenv_value; do
    case $__tcenv_key in
      TASKCLUSTER_ROOT_URL) __tcenv_url=$__tcenv_value ;;
      TASKCLUSTER_CLIENT_ID) __tcenv_client=$__tcenv_value ;;
      TASKCLUSTER_ACCESS_TOKEN) __tcenv_new=$__tcenv_value ;;
      TCENV_PROFILE) __tcenv_name=$__tcenv_value ;;
      TCENV_EXPIRES) __tcenv_expires=$__tcenv_value ;;
      RENEW) __tcenv_soon=$__tcenv_value ;;
      # Being reset, or ended: not to be trusted as it is.
      STATE) \builtin return 0 ;;
      END) __tcenv_last=$__tcenv_value ;;
    esac
  done 2>/dev/null <"$__tcenv_file"
  if [[ $__tcenv_last != tcenv-session-1 || $__tcenv_name != "$__tcenv_profile" || $__tcenv_url != "$__tcenv_root" ]]; then
    \builtin return 0
  fi
  case $__tcenv_expires:$__tcenv_soon in
    0* | *:0* | *[!0-9:]* | :* | *: | ????????????????*:* | *:????????????????*) \builtin return 0 ;;
  esac
  __tcenv_read=1 __tcenv_kept=1
  if ((__tcenv_now < __tcenv_expires)); then
    # shellcheck disable=SC2034 # it does not see through the backslash
    \builtin export TASKCLUSTER_CLIENT_ID="$__tcenv_client" TASKCLUSTER_ACCESS_TOKEN="$__tcenv_new" \
      TCENV_EXPIRES="$__tcenv_expires"
    \builtin unset -v TASKCLUSTER_CERTIFICATE
    __tcenv_token=$__tcenv_new __tcenv_renew=$__tcenv_soon __tcenv_end=$__tcenv_expires
    __tcenv_seen="$TCENV_PROFILE $TCENV_EXPIRES ${TCENV_STORE-} ${TCENV_LOADED-}"
  fi
}

# Take away what was loaded; the root URL becomes what it was before that.
__tcenv_unload() {
  \builtin local __tcenv_before=''
  \builtin printf 'tcenv: %s: %s; tcenv login %s signs in again\n' "$__tcenv_profile" "$1" "$__tcenv_profile" >&2 || :
  case ${TCENV_LOADED-} in
    *' '*) __tcenv_before=${TCENV_LOADED##* } ;;
  esac
  \builtin unset -v TASKCLUSTER_ROOT_URL TASKCLUSTER_CLIENT_ID TASKCLUSTER_ACCESS_TOKEN TASKCLUSTER_CERTIFICATE \
    TCENV_PROFILE TCENV_EXPIRES TCENV_LOADED
  case $__tcenv_before in
    '' | - | *[!]A-Za-z0-9:/._~%@+[-]*) ;;
    *) \builtin export TASKCLUSTER_ROOT_URL="$__tcenv_before" ;;
  esac
  __tcenv_token='' __tcenv_profile='' __tcenv_seen='' __tcenv_kept='' __tcenv_end=0
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

# --- prompt
# The profile that is loaded, in front of the user's own prompt; a subshell of tcenv has its own mark.
\builtin unset -v __tcenv_shown
__tcenv_shown=''

__tcenv_prompt() {
  \builtin local __tcenv_status=$? __tcenv_mark=''
  # A prompt is expanded: what is no profile's name does not come in.
  case ${TCENV_SUBSHELL:+/}${TCENV_PROFILE-} in
    '' | *[!A-Za-z0-9._@-]*) ;;
    *) __tcenv_mark="(tcenv:$TCENV_PROFILE) " ;;
  esac
  # Prompt frameworks make PS1 anew each time.
  if [[ ${PS1-} != "$__tcenv_mark"* || $__tcenv_shown != "$__tcenv_mark" ]]; then
    PS1=${PS1-}
    PS1=${PS1#"$__tcenv_shown"}
    PS1=$__tcenv_mark${PS1#"$__tcenv_mark"}
  fi
  __tcenv_shown=$__tcenv_mark
  \builtin return "$__tcenv_status"
}

# Last: behind whatever makes PS1.
if [[ "$(\builtin declare -p PROMPT_COMMAND 2>/dev/null)" == 'declare -a'* ]]; then
  if [[ " ${PROMPT_COMMAND[*]-} " != *' __tcenv_prompt '* ]]; then
    PROMPT_COMMAND+=(__tcenv_prompt)
  fi
elif [[ ";${PROMPT_COMMAND-};" != *';__tcenv_prompt;'* ]]; then
  # shellcheck disable=SC2178,SC2128
  PROMPT_COMMAND="${PROMPT_COMMAND:+${PROMPT_COMMAND%;};}__tcenv_prompt"
fi
