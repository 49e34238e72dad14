# tcenv for bash: the function that applies login, signin, env and logout to this shell, and the prompt hook.
# shellcheck shell=bash

# --- function
((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 302)) || \builtin printf '%s; this is %s.\n' '@TOO_OLD@' "$BASH_VERSION" >&2
\builtin unset -v __tcenv_level __tcenv_program
__tcenv_level=${BASH_SUBSHELL-0}
__tcenv_program=@PROGRAM@

# Run the program that PATH finds, else the one that printed this text. __TCENV_FUNCTION tells it about this function.
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
    # Inside $(…), print the text instead of evaluating it.
    __tcenv_run "$1" --shell bash "${@:2}"
    return
  fi
  __tcenv_untraced __tcenv_apply "$@"
}

__tcenv_apply() {
  \builtin local __tcenv_text
  __tcenv_text=$(__tcenv_run "$1" --shell bash "${@:2}") || return
  \builtin eval "$__tcenv_text"
}

# Run a function that handles a token without any setting that would show or export it: `set -x`, `set -v`, `set -a`,
# and a DEBUG trap that functions inherit.
__tcenv_untraced() {
  \builtin local __tcenv_flags
  __tcenv_flags=${-//[^avxT]/}
  if [[ -n $__tcenv_flags ]]; then
    # From bash 4.4 on, `local -` restores them after Ctrl-C too.
    {
      \builtin local - || \builtin :
      \builtin set +avxT
    } 2>/dev/null
  fi
  "$@"
  \builtin set -- "$?"
  [[ -z $__tcenv_flags ]] || \builtin set "-$__tcenv_flags"
  \builtin return "$1"
}

# Put $2 at the front ($1: -) or the end ($1: +) of PROMPT_COMMAND, once, as a string or an array like the user's. It
# prints nothing in a shell that inherited the variable without the function, and keeps $?. It joins lines, since the
# user's line may end in `;`, `&` or a comment.
__tcenv_at_prompt() {
  \builtin local __tcenv_form __tcenv_call
  __tcenv_form=$(\builtin declare -p PROMPT_COMMAND 2>/dev/null) || :
  # The call has no word that an alias could replace.
  __tcenv_call="\\builtin eval \"\${$2_name-\\builtin test \$? = 0}\""
  \builtin unset -v "$2_name"
  \builtin printf -v "$2_name" %s "$2"
  \builtin export -n "$2_name"
  case "${PROMPT_COMMAND[*]-}" in *"$2"*) \builtin return 0 ;; esac
  case ${__tcenv_form%%PROMPT_COMMAND*} in
    'declare -'*r*)
      [[ $1 == + ]] || \builtin printf 'tcenv: PROMPT_COMMAND is read-only: this shell will not follow a renewal or a logout.\n' >&2
      ;;
    'declare -a'*)
      if [[ $1 == - ]]; then
        PROMPT_COMMAND=("$__tcenv_call" ${PROMPT_COMMAND[@]+"${PROMPT_COMMAND[@]}"})
      else
        PROMPT_COMMAND+=("$__tcenv_call")
      fi
      ;;
    *)
      # shellcheck disable=SC2178,SC2128
      if [[ -z ${PROMPT_COMMAND-} ]]; then
        PROMPT_COMMAND=$__tcenv_call
      elif [[ $1 == - ]]; then
        PROMPT_COMMAND=$__tcenv_call$'\n'$PROMPT_COMMAND
      else
        PROMPT_COMMAND=$PROMPT_COMMAND$'\n'$__tcenv_call
      fi
      ;;
  esac
}

# --- hook
# At each prompt, compare what is loaded with the first line of the session's file and with the time. If they differ,
# the program decides. Unexported variables hold what is loaded, the parts of it, and the difference for which the
# program changed nothing.
\builtin unset -v __tcenv_seen __tcenv_file __tcenv_first __tcenv_end __tcenv_tried
__tcenv_seen='' __tcenv_file='' __tcenv_first='' __tcenv_end=0 __tcenv_tried=''
\builtin export -n __tcenv_level __tcenv_program __tcenv_seen __tcenv_file __tcenv_first __tcenv_end __tcenv_tried

__tcenv_hook() {
  \builtin set -- "$?"
  \builtin local __tcenv_line __tcenv_now
  if [[ -n ${TCENV_LOADED-} && -z ${TCENV_PROXY-} ]]; then
    [[ "$TCENV_LOADED ${TCENV_EXPIRES-}" == "$__tcenv_seen" ]] || __tcenv_untraced __tcenv_adopt
    __tcenv_line='' __tcenv_now=${EPOCHSECONDS-}
    case $__tcenv_now in
      '' | *[!0-9]*) \builtin printf -v __tcenv_now '%(%s)T' -1 2>/dev/null || __tcenv_now=0 ;;
    esac
    # Read only a regular file: any other could block.
    [[ ! -f $__tcenv_file || ! -r $__tcenv_file ]] || \builtin read -r __tcenv_line <"$__tcenv_file" || :
    if ((__tcenv_now >= __tcenv_end - 600)) || [[ $__tcenv_line != "$__tcenv_first" ]]; then
      __tcenv_untraced __tcenv_reload
    fi
  fi
  \builtin return "$1"
}

# Split TCENV_LOADED into profile, root URL, generation, file, and the choice before tcenv loaded anything.
__tcenv_adopt() {
  __tcenv_seen="$TCENV_LOADED ${TCENV_EXPIRES-}" __tcenv_first=${TCENV_LOADED#* * } __tcenv_end=999999999999999
  __tcenv_file=${__tcenv_first#* }
  __tcenv_file=${__tcenv_file% *} __tcenv_first=GENERATION=${__tcenv_first%% *}
  [[ $__tcenv_file == /* ]] || __tcenv_file='' __tcenv_first=''
  case ${TCENV_EXPIRES-} in '' | 0* | *[!0-9]* | ????????????????*) ;; *) __tcenv_end=$TCENV_EXPIRES ;; esac
}

__tcenv_reload() {
  \builtin local __tcenv_text
  __tcenv_text="$__tcenv_seen $((__tcenv_now >= __tcenv_end - 600)) $((__tcenv_now >= __tcenv_end)) $__tcenv_line"
  [[ $__tcenv_text != "$__tcenv_tried" ]] || \builtin return 0
  __tcenv_tried=$__tcenv_text
  if [[ -x $__tcenv_program ]] && __tcenv_text=$(__TCENV_FUNCTION=1 "$__tcenv_program" hook bash); then
    \builtin eval "$__tcenv_text"
  elif ((__tcenv_now >= __tcenv_end)); then
    # If the program cannot run, unload the session when it has ended.
    __tcenv_text=${TCENV_LOADED##* }
    \builtin printf 'tcenv: the session of %s has expired\n' "${TCENV_LOADED%% *}" >&2
    \builtin unset -v @VARIABLES@
    [[ $__tcenv_text != *=* ]] || \builtin export "TCENV_PROFILE=${__tcenv_text%%=*}"
    [[ ${__tcenv_text##*=} == - ]] || \builtin export "TASKCLUSTER_ROOT_URL=${__tcenv_text##*=}"
  fi
  [[ "${TCENV_LOADED-} ${TCENV_EXPIRES-}" == "$__tcenv_seen" ]] || __tcenv_tried=''
}

# Put the hook first, so that it gets the status of the user's command.
__tcenv_at_prompt - __tcenv_hook

# --- prompt
# Show the loaded profile in front of the user's own prompt. The prompt holds a variable, which bash expands each time,
# so that other programs that move the prompt do not duplicate the mark. A subshell of tcenv has its own mark.
\builtin unset -v __tcenv_mark
__tcenv_mark=''

__tcenv_prompt() {
  \builtin set -- "$?"
  __tcenv_mark=''
  case ${TCENV_SUBSHELL:+/}${TCENV_LOADED:+${TCENV_PROFILE-}} in
    '' | *[!A-Za-z0-9._@-]*) ;;
    *) __tcenv_mark="(tcenv:$TCENV_PROFILE) " ;;
  esac
  \builtin export -n __tcenv_mark
  # Prompt frameworks set PS1 again each time.
  # shellcheck disable=SC2016 # the prompt expands it
  if [[ ${PS1-} != *'${__tcenv_mark-}'* ]] && \builtin shopt -q promptvars; then
    PS1='${__tcenv_mark-}'${PS1-}
  fi
  \builtin return "$1"
}

# Put it last, after the functions that set PS1.
__tcenv_at_prompt + __tcenv_prompt
