# tcenv for zsh: the function that applies login, signin, env and logout to this shell, and the prompt hook.

# --- function
\builtin unset __tcenv_level __tcenv_program
typeset -g __tcenv_level=$ZSH_SUBSHELL __tcenv_program=@PROGRAM@
\builtin typeset -g +x __tcenv_level __tcenv_program

# Run the program that the PATH finds, else the one that made this text; it is told that this function is there.
__tcenv_run() {
  if \builtin whence -p tcenv >/dev/null; then
    __TCENV_FUNCTION=1 \command tcenv "$@"
  else
    __TCENV_FUNCTION=1 \command "$__tcenv_program" "$@"
  fi
}

tcenv() {
  # What has a token at hand is neither traced nor exported; all of this is as before when the function ends, after Ctrl-C too.
  \builtin emulate -L zsh
  \builtin setopt noxtrace noverbose noallexport
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
    __tcenv_run "$1" --shell zsh "${@:2}"
    \builtin return
  fi
  \builtin trap - DEBUG
  __tcenv_text=$(__tcenv_run "$1" --shell zsh "${@:2}") || \builtin return
  \builtin eval "$__tcenv_text"
}

# --- hook
# At each prompt: compare the first line of the session's file, and the time, with what is loaded. On a difference the program
# decides. What was compared stands in variables of this shell's own: TCENV_LOADED as it was taken apart, the file, its first
# line, the next moment that matters, the end, and the difference about which nothing was to be done.
\builtin unset __tcenv_seen __tcenv_file __tcenv_first __tcenv_tried __tcenv_later __tcenv_moment __tcenv_end
typeset -g __tcenv_seen='' __tcenv_file='' __tcenv_first='' __tcenv_tried='' __tcenv_later=''
typeset -gi __tcenv_moment=0 __tcenv_end=0
\builtin typeset -g +x __tcenv_seen __tcenv_file __tcenv_first __tcenv_tried __tcenv_later __tcenv_moment __tcenv_end
# A variable of its name that was inherited would stand in for the clock.
\builtin zmodload -e zsh/datetime || \builtin unset EPOCHSECONDS EPOCHREALTIME epochtime
\builtin zmodload zsh/datetime

# What is done at every prompt keeps away from whatever options could bend.
__tcenv_hook() {
  \builtin local __tcenv_line=''
  [[ -z $__tcenv_later ]] || __tcenv_say
  [[ -n ${TCENV_LOADED-} && -z ${TCENV_PROXY-} ]] || \builtin return 0
  [[ "$TCENV_LOADED ${TCENV_EXPIRES-}" == "$__tcenv_seen" ]] || __tcenv_adopt
  # A regular file alone can be read without a wait.
  if [[ -f "$__tcenv_file" && -r "$__tcenv_file" ]]; then
    \builtin read -r __tcenv_line <"$__tcenv_file"
  fi
  if (( EPOCHSECONDS >= __tcenv_moment )) ||
    [[ "$__tcenv_line" != "$__tcenv_first" && "$TCENV_LOADED $__tcenv_line" != "$__tcenv_tried" ]]; then
    __tcenv_reload
  fi
  \builtin return 0
}

# Take TCENV_LOADED apart: profile, root URL, generation, file, and what was chosen before.
__tcenv_adopt() {
  \builtin emulate -L zsh
  \builtin setopt noxtrace noverbose noallexport
  __tcenv_seen="$TCENV_LOADED ${TCENV_EXPIRES-}" __tcenv_first='' __tcenv_moment=999999999999999 __tcenv_end=999999999999999
  __tcenv_file=${${TCENV_LOADED#* * * }% *}
  [[ $__tcenv_file == /* ]] && __tcenv_first=GENERATION=${${TCENV_LOADED#* * }%% *}
  case ${TCENV_EXPIRES-} in
    (''|0*|*[^0-9]*|????????????????*) ;;
    (*) __tcenv_end=$TCENV_EXPIRES __tcenv_moment=$(( TCENV_EXPIRES - 600 )) ;;
  esac
}

__tcenv_reload() {
  \builtin emulate -L zsh
  \builtin setopt noxtrace noverbose noallexport
  \builtin local __tcenv_text __tcenv_loaded="$TCENV_LOADED"
  __tcenv_tried="$TCENV_LOADED $__tcenv_line"
  if [[ -x $__tcenv_program ]] && __tcenv_text=$(__tcenv_ask); then
    \builtin eval "$__tcenv_text"
  elif (( EPOCHSECONDS >= __tcenv_end )); then
    # Without the program, what has ended is taken away all the same.
    __tcenv_text=${TCENV_LOADED##* }
    \builtin printf 'tcenv: the session of %s has expired\n' "${TCENV_LOADED%% *}" >&2
    \builtin unset TASKCLUSTER_ROOT_URL TASKCLUSTER_CLIENT_ID TASKCLUSTER_ACCESS_TOKEN TASKCLUSTER_CERTIFICATE \
      TCENV_PROFILE TCENV_EXPIRES TCENV_LOADED
    [[ $__tcenv_text != *=* ]] || \builtin export TCENV_PROFILE=${__tcenv_text%%=*}
    [[ ${__tcenv_text##*=} == - ]] || \builtin export TASKCLUSTER_ROOT_URL=${__tcenv_text##*=}
  fi
  if [[ ${TCENV_LOADED-} != "$__tcenv_loaded" ]]; then
    __tcenv_tried=''
  elif (( EPOCHSECONDS >= __tcenv_end )); then
    __tcenv_moment=999999999999999
  elif (( EPOCHSECONDS >= __tcenv_moment )); then
    __tcenv_moment=$__tcenv_end
  fi
}

# Have the program decide. While powerlevel10k's instant prompt holds the screen, add what the program says as a statement, for
# the next prompt: the theme answers any output with a warning.
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
# The profile that is loaded, in front of the user's own prompt. The prompt shows an element of psvar, so that there is one mark
# wherever others put it. A subshell of tcenv has its own mark.
__tcenv_prompt() {
  \builtin emulate -L zsh
  psvar[99]=''
  [[ -z ${TCENV_SUBSHELL-} && -n ${TCENV_LOADED-} && -n ${TCENV_PROFILE-} && ${TCENV_PROFILE-} != *[^A-Za-z0-9._@-]* ]] &&
    psvar[99]=$TCENV_PROFILE
  # Prompt frameworks make PROMPT anew each time.
  [[ ${PROMPT-} == *'%(99V.'* ]] || PROMPT='%(99V.(tcenv:%99v%) .)'${PROMPT-}
}

typeset -ga precmd_functions
if [[ " ${precmd_functions[*]-} " != *' __tcenv_prompt '* ]]; then
  precmd_functions+=(__tcenv_prompt)
fi

# Some themes make PROMPT behind every other function: look again where the line is edited.
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
