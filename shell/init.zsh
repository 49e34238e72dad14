# tcenv for zsh: the function that applies login, signin, env and logout to this shell, and the prompt hook.

# --- function
[[ $ZSH_VERSION == (<6->.*|5.<8->*) ]] || \builtin print -ru2 -- "@TOO_OLD@; this is $ZSH_VERSION."
\builtin unset __tcenv_level __tcenv_program
typeset -g __tcenv_level=$ZSH_SUBSHELL __tcenv_program=@PROGRAM@

# Run the program that PATH finds, else the one that printed this text. __TCENV_FUNCTION tells it about this function.
__tcenv_run() {
  if \builtin whence -p tcenv >/dev/null; then
    __TCENV_FUNCTION=1 \command tcenv "$@"
  else
    __TCENV_FUNCTION=1 \command "$__tcenv_program" "$@"
  fi
}

tcenv() {
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
    # Inside $(…), print the text instead of evaluating it.
    __tcenv_run "$1" --shell zsh "${@:2}"
    \builtin return
  fi
  \builtin trap - DEBUG
  __tcenv_text=$(__tcenv_run "$1" --shell zsh "${@:2}") || \builtin return
  \builtin eval "$__tcenv_text"
}

# --- hook
# At each prompt, compare what is loaded with the first line of the session's file and with the time. If they differ,
# the program decides. Unexported variables hold what is loaded, the parts of it, and the difference for which the
# program changed nothing.
\builtin unset __tcenv_seen __tcenv_file __tcenv_first __tcenv_tried __tcenv_later __tcenv_end
typeset -g __tcenv_seen='' __tcenv_file='' __tcenv_first='' __tcenv_tried='' __tcenv_later=''
typeset -gi __tcenv_end=0
# An inherited variable of this name would replace the clock.
\builtin zmodload -e zsh/datetime || \builtin unset EPOCHSECONDS EPOCHREALTIME epochtime
\builtin zmodload zsh/datetime

__tcenv_hook() {
  \builtin local __tcenv_line=''
  [[ -z $__tcenv_later ]] || __tcenv_say
  [[ -n ${TCENV_LOADED-} && -z ${TCENV_PROXY-} ]] || \builtin return 0
  [[ "$TCENV_LOADED ${TCENV_EXPIRES-}" == "$__tcenv_seen" ]] || __tcenv_adopt
  # Read only a regular file: any other could block.
  [[ -f "$__tcenv_file" && -r "$__tcenv_file" ]] && \builtin read -r __tcenv_line <"$__tcenv_file"
  (( EPOCHSECONDS < __tcenv_end - 600 )) && [[ "$__tcenv_line" == "$__tcenv_first" ]] || __tcenv_reload
  \builtin return 0
}

# Split TCENV_LOADED into profile, root URL, generation, file, and the choice before tcenv loaded anything.
__tcenv_adopt() {
  __tcenv_seen="$TCENV_LOADED ${TCENV_EXPIRES-}" __tcenv_first='' __tcenv_end=999999999999999
  __tcenv_file=${${TCENV_LOADED#* * * }% *}
  [[ $__tcenv_file == /* ]] && __tcenv_first=GENERATION=${${TCENV_LOADED#* * }%% *}
  case ${TCENV_EXPIRES-} in (''|0*|*[^0-9]*|????????????????*) ;; (*) __tcenv_end=$TCENV_EXPIRES ;; esac
}

__tcenv_reload() {
  \builtin local __tcenv_text
  __tcenv_text="$__tcenv_seen $(( EPOCHSECONDS >= __tcenv_end - 600 )) $(( EPOCHSECONDS >= __tcenv_end )) $__tcenv_line"
  [[ $__tcenv_text != "$__tcenv_tried" ]] || \builtin return 0
  __tcenv_tried=$__tcenv_text
  if [[ -x $__tcenv_program ]] && __tcenv_text=$(__tcenv_ask); then
    \builtin eval "$__tcenv_text"
  elif (( EPOCHSECONDS >= __tcenv_end )); then
    # If the program cannot run, unload the session when it has ended.
    __tcenv_text=${TCENV_LOADED##* }
    \builtin printf 'tcenv: the session of %s has expired\n' "${TCENV_LOADED%% *}" >&2
    \builtin unset @VARIABLES@
    [[ $__tcenv_text != *=* ]] || \builtin export TCENV_PROFILE=${__tcenv_text%%=*}
    [[ ${__tcenv_text##*=} == - ]] || \builtin export TASKCLUSTER_ROOT_URL=${__tcenv_text##*=}
  fi
  [[ "${TCENV_LOADED-} ${TCENV_EXPIRES-}" == "$__tcenv_seen" ]] || __tcenv_tried=''
}

# Ask the program to decide. While powerlevel10k's instant prompt is active, save the program's messages in a variable
# for the next prompt: the theme answers any output with a warning.
__tcenv_ask() {
  if [[ -z ${__p9k_instant_prompt_active-} ]]; then
    __TCENV_FUNCTION=1 "$__tcenv_program" hook zsh
    \builtin return
  fi
  (
    __tcenv_later=$(__TCENV_FUNCTION=1 "$__tcenv_program" hook zsh 2>&1 1>&3) || \builtin exit
    \builtin print -r -- "__tcenv_later=${(qq)__tcenv_later}"
  ) 3>&1
}

__tcenv_say() {
  \builtin print -ru2 -- "$__tcenv_later"
  __tcenv_later=''
}

typeset -ga precmd_functions
if [[ " ${precmd_functions[*]-} " != *' __tcenv_hook '* ]]; then
  precmd_functions=(__tcenv_hook "${precmd_functions[@]}")
fi

# --- prompt
# Show the loaded profile in front of the user's own prompt. The prompt shows an element of psvar, so that other
# programs that move the prompt do not duplicate the mark. A subshell of tcenv has its own mark.
__tcenv_prompt() {
  psvar[99]=''
  [[ -z ${TCENV_SUBSHELL-} && -n ${TCENV_LOADED-} && -n ${TCENV_PROFILE-} && ${TCENV_PROFILE-} != *[^A-Za-z0-9._@-]* ]] &&
    psvar[99]=$TCENV_PROFILE
  # Prompt frameworks set PROMPT again each time.
  [[ ${PROMPT-} == *'%(99V.'* ]] || PROMPT='%(99V.(tcenv:%99v%) .)'${PROMPT-}
}

typeset -ga precmd_functions
if [[ " ${precmd_functions[*]-} " != *' __tcenv_prompt '* ]]; then
  precmd_functions+=(__tcenv_prompt)
fi

# Some themes set PROMPT after every other function, so check it again when the line editor starts.
__tcenv_prompt_line() {
  [[ ${PROMPT-} == *'%(99V.'* ]] || __tcenv_prompt_again
}
__tcenv_prompt_again() {
  __tcenv_prompt
  zle reset-prompt
}
if [[ -o zle ]] && \builtin zmodload zsh/zle 2>/dev/null; then
  \builtin autoload -Uz add-zle-hook-widget
  add-zle-hook-widget line-init __tcenv_prompt_line 2>/dev/null
fi
