# The start-up file of `tcenv shell` for bash: read the user's own file, load the session, and mark the prompt. If bash
# was built to read the system's file, it reads that before this one.
# shellcheck shell=bash
if [[ -n ${__TCENV_ENV+set} ]]; then
  # With POSIXLY_CORRECT, bash reads only the file that ENV names.
  if [[ -n $__TCENV_ENV ]]; then
    ENV=$__TCENV_ENV
  else
    unset -v ENV
  fi
  unset -v __TCENV_ENV
  if [[ -r ${ENV-} ]]; then
    # shellcheck disable=SC1090
    . "$ENV"
  fi
elif [[ -r ~/.bashrc ]]; then
  # shellcheck disable=SC1090
  . ~/.bashrc
fi
# bash expands aliases while it reads, so switch those of the user off for the rest of this file.
__tcenv_aliases=-u
\builtin shopt -q expand_aliases && __tcenv_aliases=-s
\builtin shopt -u expand_aliases
# Do not show the token in a trace.
__tcenv_flags=$-
{ set +xv; } 2>/dev/null
eval "${__TCENV_LOAD-}"
unset -v __TCENV_LOAD
case $__tcenv_flags in *x*) set -x ;; esac
case $__tcenv_flags in *v*) set -v ;; esac
unset -v __tcenv_flags

# The prompt holds a variable, so that other programs that move the prompt do not duplicate the mark.
__tcenv_subshell_mark=''
export -n __tcenv_subshell_mark
__tcenv_mark_subshell() {
  # shellcheck disable=SC2319 # this is the status of the previous command
  \builtin set -- "$?"
  case ${TCENV_PROFILE-} in
    '' | *[!A-Za-z0-9._@-]*) __tcenv_subshell_mark='(tcenv) ' ;;
    *) __tcenv_subshell_mark="(tcenv:$TCENV_PROFILE) " ;;
  esac
  # Prompt frameworks set PS1 again each time.
  # shellcheck disable=SC2016 # bash expands it in the prompt
  [[ ${PS1-} == *'${__tcenv_subshell_mark-}'* ]] || PS1='${__tcenv_subshell_mark-}'${PS1-}
  \builtin return "$1"
}
shopt -s promptvars
# Print nothing in a shell that inherited the variable without the function. Join lines, since the user's own may end in
# `;` or a comment.
# shellcheck disable=SC2016
__tcenv_call='\builtin eval "${__tcenv_mark_subshell_name-\builtin test $? = 0}"'
__tcenv_mark_subshell_name=__tcenv_mark_subshell
export -n __tcenv_mark_subshell_name
__tcenv_form=$(declare -p PROMPT_COMMAND 2>/dev/null)
# shellcheck disable=SC2178,SC2128
case ${__tcenv_form%%PROMPT_COMMAND*} in
  'declare -'*r*) __tcenv_mark_subshell ;;
  'declare -a'*) PROMPT_COMMAND+=("$__tcenv_call") ;;
  *) PROMPT_COMMAND=${PROMPT_COMMAND:+$PROMPT_COMMAND$'\n'}$__tcenv_call ;;
esac
\builtin shopt "$__tcenv_aliases" expand_aliases
\builtin unset -v __tcenv_call __tcenv_aliases __tcenv_form
