# tcenv for POSIX shells (dash, ash, busybox, yash): the function that applies login, signin, env and logout to this
# shell. These shells cannot run a prompt hook without starting a process, so they have none.
# shellcheck shell=sh

# --- function
# The function takes the place of an alias of this name.
\unalias tcenv 2>/dev/null || \:
\unset -v __tcenv_program
__tcenv_program=@PROGRAM@

# Run the program that PATH finds, else the one that printed this text. __TCENV_FUNCTION tells it about this function.
__tcenv_run() {
  if (\unset -f tcenv && \command -v tcenv) >/dev/null 2>&1; then
    __TCENV_FUNCTION=1 \command tcenv "$@"
  else
    __TCENV_FUNCTION=1 \command "$__tcenv_program" "$@"
  fi
}

tcenv() {
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
  # shellcheck disable=SC2016 # the inner shell expands it; its parent is this shell, even in a subshell
  if \test "$(\exec sh -c 'echo "$PPID"')" != "$$"; then
    __tcenv_evaluated "$@"
    \return
  fi
  case $- in
    *[vx]*)
      # Do not show the token in a trace.
      __tcenv_flags=$-
      { \set +v +x; } 2>/dev/null
      __tcenv_apply "$@"
      \set -- "$?"
      case $__tcenv_flags in *v*) \set -v ;; esac
      case $__tcenv_flags in *x*) \set -x ;; esac
      \return "$1"
      ;;
  esac
  __tcenv_apply "$@"
}

# Ask the program for this shell's statements. It takes --shell right after the command.
__tcenv_evaluated() {
  __tcenv_command=$1
  \shift
  __tcenv_run "$__tcenv_command" --shell sh "$@"
}

__tcenv_apply() {
  # Unset an inherited variable of this name first: it would be exported, and programs would see the value.
  \unset -v __tcenv_arg
  __tcenv_arg=$(__tcenv_evaluated "$@") || {
    __tcenv_status=$?
    \unset -v __tcenv_arg
    \return "$__tcenv_status"
  }
  \eval "$__tcenv_arg"
  \set -- "$?"
  \unset -v __tcenv_arg
  \return "$1"
}

# --- prompt
# Show the loaded profile in front of the user's own prompt. A subshell of tcenv has its own mark. The shell expands the
# variable at each prompt, but does not expand its value.
# shellcheck disable=SC2016
case ${TCENV_SUBSHELL:+sub}${PS1-} in
  sub* | *'${TCENV_LOADED:+(tcenv'*) ;;
  *) PS1='${TCENV_LOADED:+(tcenv:$TCENV_PROFILE) }'${PS1-} ;;
esac
