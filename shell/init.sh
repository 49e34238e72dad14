# tcenv for POSIX shells (dash, ash, busybox, yash): the function that applies login, env and logout to this shell.
# They have no prompt hook that forks no process.
# shellcheck shell=sh

# --- function
tcenv() {
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
  # shellcheck disable=SC2016 # for the inner shell to expand: its parent is this one, subshell or not
  if [ "$(exec sh -c 'echo "$PPID"')" != "$$" ]; then
    \command tcenv "$@" --shell sh
    return
  fi
  __tcenv_arg=$(\command tcenv "$@" --shell sh) || {
    __tcenv_status=$?
    \unset -v __tcenv_arg
    return "$__tcenv_status"
  }
  \eval "$__tcenv_arg"
  \unset -v __tcenv_arg
}
