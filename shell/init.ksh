# tcenv for ksh93 and mksh: the function that applies login, signin, env and logout to this shell, and the prompt hook.
# shellcheck shell=ksh

# --- function
case ${KSH_VERSION-} in
  *MIRBSD* | *LEGACY*)
    __tcenv_shell=mksh
    \eval 'function __tcenv_inside { [[ $BASHPID != "$$" ]]; }'
    \eval 'function __tcenv_clock { __tcenv_now=${EPOCHREALTIME%%.*}; }'
    # Its numbers have 32 bits: what ends after 2036 ends at no time that it could tell.
    \eval 'function __tcenv_is_time { [[ $1 == [1-9]*([0-9]) && $1 != @(???????????*|[3-9]?????????|2[1-9]????????) ]]; }'
    ;;
  *)
    __tcenv_shell=ksh
    \eval 'function __tcenv_inside { ((.sh.subshell > 0)); }'
    \eval 'function __tcenv_clock { __tcenv_now=${ printf "%(%s)T"; }; }'
    \eval 'function __tcenv_is_time { [[ $1 == [1-9]*([0-9]) && $1 != ????????????????* ]]; }'
    ;;
esac
\unset -v __tcenv_traced __tcenv_program
__tcenv_traced=''
__tcenv_program=@PROGRAM@

# The program that the PATH finds, else the one that made this text; it is told that this function is there.
function __tcenv_run {
  if \whence -p tcenv >/dev/null; then
    __TCENV_FUNCTION=1 \command tcenv "$@"
  else
    __TCENV_FUNCTION=1 \command "$__tcenv_program" "$@"
  fi
  __tcenv_end_with "$?"
}

function tcenv {
  typeset __tcenv_arg
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
  if __tcenv_inside; then
    # Inside of $(…) the text is what is wanted.
    __tcenv_run "$@" --shell "$__tcenv_shell"
    return
  fi
  __tcenv_untraced __tcenv_apply "$@"
}

function __tcenv_apply {
  typeset __tcenv_text
  __tcenv_text=$(__tcenv_run "$@" --shell "$__tcenv_shell") || return
  \eval "$__tcenv_text"
}

# In ksh93 a signal makes a status of more than 256, and a function that returns one sends that signal to the shell itself.
function __tcenv_end_with {
  return "$(($1 > 255 ? $1 - 128 : $1))"
}

# Run what has a token at hand without the trace (`set -x`) that would show it. In mksh functions have no options of their own;
# where Ctrl-C comes in between, the hook puts the trace back.
function __tcenv_untraced {
  case $- in
    *x*)
      { __tcenv_traced=1 && \set +x; } 2>/dev/null
      "$@"
      \set -- "$?"
      __tcenv_traced=''
      \set -x
      ;;
    *)
      "$@"
      \set -- "$?"
      ;;
  esac
  return "$1"
}

# --- hook
# Where the stores keep their files (the first one, as long as XDG_RUNTIME_DIR is what it was), and which store is in use
# unless TCENV_STORE says so.
\unset -v __tcenv_runtime __tcenv_files __tcenv_store __tcenv_xdg
__tcenv_runtime=@RUNTIME@
__tcenv_files=@FILES@
__tcenv_store=@STORE@
__tcenv_xdg=@XDG@
# What this shell has loaded: as it was seen, its profile, root URL, token and file; whether that file is to be there, and has
# been read; from when on to remind of the end, the end, and whether that was done. Nothing of it is inherited.
\unset -v __tcenv_seen __tcenv_profile __tcenv_root __tcenv_token __tcenv_folder __tcenv_kept __tcenv_read __tcenv_renew \
  __tcenv_end __tcenv_reminded __tcenv_status __tcenv_now __tcenv_file __tcenv_first __tcenv_text __tcenv_newline
__tcenv_newline='
'
__tcenv_seen='' __tcenv_profile='' __tcenv_root='' __tcenv_token='' __tcenv_folder='' __tcenv_kept='' __tcenv_read=''
__tcenv_renew=0 __tcenv_end=0 __tcenv_reminded=''

function __tcenv_hook {
  typeset __tcenv_status=$?
  if [[ -n $__tcenv_traced ]]; then
    __tcenv_traced=''
    \set -x
  fi
  __tcenv_untraced __tcenv_check
  __tcenv_end_with "$__tcenv_status"
}

function __tcenv_check {
  if [[ -z ${TCENV_PROFILE-} || -z ${TASKCLUSTER_ACCESS_TOKEN-} ]]; then
    return 0
  fi
  if [[ "$TCENV_PROFILE ${TCENV_EXPIRES-} ${TCENV_STORE-} ${TCENV_LOADED-}" != "$__tcenv_seen" ]]; then
    # Loaded since the last prompt, or inherited.
    __tcenv_adopt
  fi
  if [[ -z $__tcenv_profile || ${TASKCLUSTER_ROOT_URL-} != "$__tcenv_root" ]]; then
    return 0
  fi
  __tcenv_now=''
  __tcenv_clock
  if ! __tcenv_is_time "$__tcenv_now"; then
    __tcenv_now=0
  fi
  __tcenv_file=$__tcenv_folder/$__tcenv_profile.session __tcenv_first=''
  if [[ -n $__tcenv_folder && -z ${TASKCLUSTER_CERTIFICATE-} && -O $__tcenv_folder && ! -L $__tcenv_folder ]]; then
    if [[ -f $__tcenv_file && -O $__tcenv_file && ! -L $__tcenv_file && -r $__tcenv_file ]]; then
      # Not by `read <`: in ksh93 a redirection inside of the first prompt keeps that from being shown.
      __tcenv_text=$(<"$__tcenv_file")
      __tcenv_first=${__tcenv_text%%"$__tcenv_newline"*}
      if [[ $__tcenv_first == "TASKCLUSTER_ACCESS_TOKEN=$TASKCLUSTER_ACCESS_TOKEN" ]]; then
        __tcenv_token=$TASKCLUSTER_ACCESS_TOKEN __tcenv_kept=1
        if [[ -z $__tcenv_read ]]; then
          __tcenv_load
        fi
      elif [[ $__tcenv_token == "$TASKCLUSTER_ACCESS_TOKEN" ]]; then
        __tcenv_load
      fi
    elif [[ -n $__tcenv_kept && $__tcenv_token == "$TASKCLUSTER_ACCESS_TOKEN" && ! -e $__tcenv_file && ! -L $__tcenv_file ]]; then
      if ((__tcenv_end == 0 || __tcenv_now < __tcenv_end)); then
        __tcenv_unload 'signed out elsewhere'
        return 0
      fi
    fi
  fi
  if [[ $__tcenv_token != "$TASKCLUSTER_ACCESS_TOKEN" ]] || ((__tcenv_end == 0 || __tcenv_now < __tcenv_renew)); then
    return 0
  fi
  if ((__tcenv_now >= __tcenv_end)); then
    __tcenv_unload 'the session has expired'
  elif [[ -z $__tcenv_reminded ]]; then
    __tcenv_reminded=1
    \print -u2 -r -- "tcenv: $__tcenv_profile ends in $(((__tcenv_end - __tcenv_now) / 60)) min; tcenv login $__tcenv_profile --reset renews it" || :
  fi
}

# Note what is loaded, if it is what tcenv could have loaded: whoever set these variables is not known.
function __tcenv_adopt {
  __tcenv_seen="$TCENV_PROFILE ${TCENV_EXPIRES-} ${TCENV_STORE-} ${TCENV_LOADED-}"
  __tcenv_token=$TASKCLUSTER_ACCESS_TOKEN
  __tcenv_profile='' __tcenv_folder='' __tcenv_kept='' __tcenv_read='' __tcenv_renew=0 __tcenv_end=0 __tcenv_reminded=''
  case $TCENV_PROFILE in
    [!A-Za-z0-9]* | *[!A-Za-z0-9._@-]*) return 0 ;;
  esac
  if ((${#TCENV_PROFILE} > 128)); then
    return 0
  fi
  __tcenv_profile=$TCENV_PROFILE
  __tcenv_root=${TCENV_LOADED:-${TASKCLUSTER_ROOT_URL-}}
  __tcenv_root=${__tcenv_root%% *}
  case ${TCENV_LOADED-} in
    '' | *' -' | *' - '*) ;;
    *) __tcenv_kept=1 ;;
  esac
  if __tcenv_is_time "${TCENV_EXPIRES-}"; then
    __tcenv_end=$TCENV_EXPIRES
    ((__tcenv_renew = TCENV_EXPIRES - 600)) || :
  fi
  case ${TCENV_STORE:-$__tcenv_store} in
    auto | runtime)
      if [[ ${XDG_RUNTIME_DIR-} == "$__tcenv_xdg" ]]; then
        __tcenv_folder=$__tcenv_runtime
      fi
      ;;
    file) __tcenv_folder=$__tcenv_files ;;
  esac
}

# Load the session from its file, if it is whole, live, and of this shell's deployment.
function __tcenv_load {
  typeset __tcenv_key __tcenv_value __tcenv_url='' __tcenv_client='' __tcenv_new='' __tcenv_name='' __tcenv_expires='' __tcenv_soon='' __tcenv_last=''
  while [[ -n $__tcenv_text ]]; do
    __tcenv_value=${__tcenv_text%%"$__tcenv_newline"*}
    __tcenv_key=${__tcenv_value%%=*} __tcenv_value=${__tcenv_value#*=}
    case $__tcenv_text in
      *"$__tcenv_newline"*) __tcenv_text=${__tcenv_text#*"$__tcenv_newline"} ;;
      *) __tcenv_text='' ;;
    esac
    case $__tcenv_key in
      TASKCLUSTER_ROOT_URL) __tcenv_url=$__tcenv_value ;;
      TASKCLUSTER_CLIENT_ID) __tcenv_client=$__tcenv_value ;;
      TASKCLUSTER_ACCESS_TOKEN) __tcenv_new=$__tcenv_value ;;
      TCENV_PROFILE) __tcenv_name=$__tcenv_value ;;
      TCENV_EXPIRES) __tcenv_expires=$__tcenv_value ;;
      RENEW) __tcenv_soon=$__tcenv_value ;;
      # Being reset, or ended: not to be trusted as it is.
      STATE) return 0 ;;
      END) __tcenv_last=$__tcenv_value ;;
    esac
  done
  if [[ $__tcenv_last != tcenv-session-1 || $__tcenv_name != "$__tcenv_profile" || $__tcenv_url != "$__tcenv_root" ]] ||
    ! __tcenv_is_time "$__tcenv_expires" || ! __tcenv_is_time "$__tcenv_soon"; then
    return 0
  fi
  __tcenv_read=1 __tcenv_kept=1
  if ((__tcenv_now < __tcenv_expires)); then
    if [[ $__tcenv_token != "$__tcenv_new" ]]; then
      __tcenv_reminded=''
    fi
    \export TASKCLUSTER_CLIENT_ID="$__tcenv_client" TASKCLUSTER_ACCESS_TOKEN="$__tcenv_new" TCENV_EXPIRES="$__tcenv_expires"
    \unset -v TASKCLUSTER_CERTIFICATE
    __tcenv_token=$__tcenv_new __tcenv_renew=$__tcenv_soon __tcenv_end=$__tcenv_expires
    __tcenv_seen="$TCENV_PROFILE $TCENV_EXPIRES ${TCENV_STORE-} ${TCENV_LOADED-}"
  fi
}

# Take away what was loaded; the root URL becomes what it was before that.
function __tcenv_unload {
  typeset __tcenv_before=''
  \print -u2 -r -- "tcenv: $__tcenv_profile: $1; tcenv login $__tcenv_profile signs in again" || :
  case ${TCENV_LOADED-} in
    *' '*) __tcenv_before=${TCENV_LOADED##* } ;;
  esac
  \unset -v TASKCLUSTER_ROOT_URL TASKCLUSTER_CLIENT_ID TASKCLUSTER_ACCESS_TOKEN TASKCLUSTER_CERTIFICATE \
    TCENV_PROFILE TCENV_EXPIRES TCENV_LOADED
  case $__tcenv_before in
    '' | - | *[!]A-Za-z0-9:/._~%@+[-]*) ;;
    *) \export TASKCLUSTER_ROOT_URL="$__tcenv_before" ;;
  esac
  __tcenv_token='' __tcenv_profile='' __tcenv_seen='' __tcenv_kept='' __tcenv_end=0
}

# `${ …; }` runs in this shell, without a process of its own.
case ${PS1-} in
  *__tcenv_hook*) ;;
  *) PS1='${ __tcenv_hook; }'${PS1-} ;;
esac

# --- prompt
# The profile that is loaded, in front of the user's own prompt; a subshell of tcenv has its own mark. The shell expands the
# variable at each prompt, and not what it holds.
# shellcheck disable=SC2016
case ${TCENV_SUBSHELL:+sub}${PS1-} in
  sub* | *'${TCENV_PROFILE:+(tcenv'*) ;;
  # The hook goes first: it may change what is loaded.
  '${ __tcenv_hook; }'*) PS1='${ __tcenv_hook; }${TCENV_PROFILE:+(tcenv:$TCENV_PROFILE) }'${PS1#*\}} ;;
  *) PS1='${TCENV_PROFILE:+(tcenv:$TCENV_PROFILE) }'${PS1-} ;;
esac
