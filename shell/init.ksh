# tcenv for ksh93 and mksh: the function that applies login, signin, env and logout to this shell, and the prompt hook.
# shellcheck shell=ksh

# --- function
# The function takes the place of an alias of this name.
\unalias tcenv 2>/dev/null || \:
case ${KSH_VERSION-} in
  *MIRBSD* | *LEGACY*)
    __tcenv_shell=mksh
    \eval 'function __tcenv_inside { [[ $BASHPID != "$$" ]]; }'
    \eval 'function __tcenv_clock { \set +a; __tcenv_now=${EPOCHREALTIME%%.*}; }'
    # mksh has 32-bit numbers: treat an end after 2036 as no end.
    \eval 'function __tcenv_is_time { [[ $1 == [1-9]*([0-9]) && $1 != @(???????????*|[3-9]?????????|2[1-9]????????) ]]; }'
    ;;
  *)
    __tcenv_shell=ksh
    # ksh sets its own prompt after the start-up files, and only where none is set. Root owns /.
    [[ $- != *i* || -n ${PS1+set} ]] || if [[ -O / ]]; then PS1='# '; else PS1='$ '; fi
    \eval 'function __tcenv_inside { ((.sh.subshell > 0)); }'
    \eval 'function __tcenv_clock { \set +a; __tcenv_now=${ printf "%(%s)T"; }; }'
    \eval 'function __tcenv_is_time { [[ $1 == [1-9]*([0-9]) && $1 != ????????????????* ]]; }'
    ;;
esac
\unset -v __tcenv_program
__tcenv_program=@PROGRAM@

# Run the program that PATH finds, else the one that printed this text. __TCENV_FUNCTION tells it about this function.
function __tcenv_run {
  if \whence -p tcenv >/dev/null; then
    __TCENV_FUNCTION=1 \command tcenv "$@"
  else
    __TCENV_FUNCTION=1 \command "$__tcenv_program" "$@"
  fi
  __tcenv_end_with "$?"
}

function tcenv {
  \typeset __tcenv_arg
  case ${1-} in
    @EVALUATED@) ;;
    *)
      __tcenv_run "$@"
      \return
      ;;
  esac
  for __tcenv_arg in "$@"; do
    case $__tcenv_arg in
      -h | --help | --shell | --shell=* | --format | --format=* | --csh | --check)
        __tcenv_run "$@"
        \return
        ;;
    esac
  done
  if __tcenv_inside; then
    # Inside $(…), print the text instead of evaluating it.
    __tcenv_evaluated "$@"
    \return
  fi
  __tcenv_apply "$@"
}

# Ask the program for this shell's statements. It takes --shell right after the command.
function __tcenv_evaluated {
  \typeset __tcenv_command
  __tcenv_command=$1
  \shift
  __tcenv_run "$__tcenv_command" --shell "$__tcenv_shell" "$@"
}

function __tcenv_apply {
  # Do not trace or export while handling a token. Each function has its own options, even after Ctrl-C.
  { \set +a +v +x; } 2>/dev/null
  \typeset __tcenv_text
  __tcenv_text=$(__tcenv_evaluated "$@") || \return
  \eval "$__tcenv_text"
}

# In ksh93 a signal gives a status above 256, and a function that returns such a status sends that signal to the shell
# itself.
function __tcenv_end_with {
  \return "$(($1 > 255 ? $1 - 128 : $1))"
}

# --- hook
# At each prompt, compare what is loaded with the first line of the session's file and with the time. If they differ,
# the program decides. Unexported variables hold what is loaded, the parts of it, and the difference for which the
# program changed nothing.
\unset -v __tcenv_seen __tcenv_file __tcenv_first __tcenv_end __tcenv_tried __tcenv_now __tcenv_line \
  __tcenv_text __tcenv_newline
__tcenv_newline='
'
__tcenv_seen='' __tcenv_file='' __tcenv_first='' __tcenv_end=0 __tcenv_tried='' __tcenv_now=0 __tcenv_line=''
\typeset +x __tcenv_program __tcenv_shell __tcenv_newline __tcenv_seen __tcenv_file __tcenv_first __tcenv_end __tcenv_tried \
  __tcenv_now __tcenv_line

function __tcenv_hook {
  \set -- "$?"
  if [[ -n ${TCENV_LOADED-} && -z ${TCENV_PROXY-} ]]; then
    __tcenv_check
  fi
  __tcenv_end_with "$1"
}

function __tcenv_check {
  { \set +a +v +x; } 2>/dev/null
  [[ "$TCENV_LOADED ${TCENV_EXPIRES-}" == "$__tcenv_seen" ]] || __tcenv_adopt
  __tcenv_now=0 __tcenv_line=''
  if ((__tcenv_end)); then
    __tcenv_clock
    __tcenv_is_time "$__tcenv_now" || __tcenv_now=0
  fi
  # Read only a regular file: any other could block. Do not use `read <`: in ksh93 a redirection inside the first prompt
  # hides that prompt.
  if [[ -f $__tcenv_file && -r $__tcenv_file ]]; then
    \typeset __tcenv_text
    __tcenv_text=$(<"$__tcenv_file")
    __tcenv_line=${__tcenv_text%%"$__tcenv_newline"*}
  fi
  if ((__tcenv_end && __tcenv_now >= __tcenv_end - 600)) || [[ $__tcenv_line != "$__tcenv_first" ]]; then
    __tcenv_reload
  fi
}

# Split TCENV_LOADED into profile, root URL, generation, file, and the choice before tcenv loaded anything.
function __tcenv_adopt {
  { \set +a +v +x; } 2>/dev/null
  __tcenv_seen="$TCENV_LOADED ${TCENV_EXPIRES-}" __tcenv_first=${TCENV_LOADED#* * } __tcenv_end=0
  __tcenv_file=${__tcenv_first#* }
  __tcenv_file=${__tcenv_file% *} __tcenv_first=GENERATION=${__tcenv_first%% *}
  [[ $__tcenv_file == /* ]] || __tcenv_file='' __tcenv_first=''
  ! __tcenv_is_time "${TCENV_EXPIRES-}" || __tcenv_end=$TCENV_EXPIRES
}

function __tcenv_reload {
  { \set +a +v +x; } 2>/dev/null
  \typeset __tcenv_text
  __tcenv_text="$__tcenv_seen $((__tcenv_now >= __tcenv_end - 600)) $((__tcenv_now >= __tcenv_end)) $__tcenv_line"
  [[ $__tcenv_text != "$__tcenv_tried" ]] || \return 0
  __tcenv_tried=$__tcenv_text
  if [[ -x $__tcenv_program ]] && __tcenv_text=$(__TCENV_FUNCTION=1 "$__tcenv_program" hook "$__tcenv_shell"); then
    \eval "$__tcenv_text"
  elif ((__tcenv_end && __tcenv_now >= __tcenv_end)); then
    # If the program cannot run, unload the session when it has ended.
    __tcenv_text=${TCENV_LOADED##* }
    \print -u2 -r -- "tcenv: the session of ${TCENV_LOADED%% *} has expired"
    \unset -v @VARIABLES@
    case $__tcenv_text in *=*) \export TCENV_PROFILE && TCENV_PROFILE=${__tcenv_text%%=*} ;; esac
    case ${__tcenv_text##*=} in -) ;; *) \export TASKCLUSTER_ROOT_URL && TASKCLUSTER_ROOT_URL=${__tcenv_text##*=} ;; esac
  fi
  [[ "${TCENV_LOADED-} ${TCENV_EXPIRES-}" == "$__tcenv_seen" ]] || __tcenv_tried=''
}

# `${ …; }` runs in this shell and starts no process.
case ${PS1-} in
  *__tcenv_hook*) ;;
  *) PS1='${ __tcenv_hook; }'${PS1-} ;;
esac

# --- prompt
# Show the loaded profile in front of the user's own prompt. A subshell of tcenv has its own mark. The shell expands the
# variable at each prompt, but does not expand its value.
# shellcheck disable=SC2016
case ${TCENV_SUBSHELL:+sub}${PS1-} in
  sub* | *'${TCENV_LOADED:+(tcenv'*) ;;
  # Put the hook first, since it may change what is loaded.
  '${ __tcenv_hook; }'*) PS1='${ __tcenv_hook; }${TCENV_LOADED:+(tcenv:$TCENV_PROFILE) }'${PS1#*\}} ;;
  *) PS1='${TCENV_LOADED:+(tcenv:$TCENV_PROFILE) }'${PS1-} ;;
esac
