# shellcheck shell=bash
# direnv library of tcenv: `use taskcluster [PROFILE] [--as PURPOSE] [--required] [--login]` in an .envrc.

# The program prints the statements that select the profile, and writes a note for the next time. The note holds all but
# the token, and the inputs of the decision.
use_taskcluster() {
  local named='' purpose='' required='' login='' status=0 inputs text=''
  local config=${TCENV_CONFIG:-${XDG_CONFIG_HOME:-$HOME/.config}/tcenv/config.toml}
  local note="${XDG_CACHE_HOME:-$HOME/.cache}/tcenv/direnv/${*//[^A-Za-z0-9._@-]/_}.note"
  # Do not show the token in a trace. Tracing is back when the function ends. Behind a proxy, programs get no token.
  {
    local - || :
    set +avx
  } 2>/dev/null
  [[ -z ${TCENV_PROXY-} ]] || return 0
  while (($#)); do
    case $1 in
      --required) required=1 ;;
      --login) login=1 ;;
      --as=?*) purpose=${1#--as=} ;;
      --as) purpose=${2:?use taskcluster: --as needs the name of a purpose} && shift ;;
      -*) log_error "use taskcluster: unknown option $1 (known: --as, --required, --login)" && return 1 ;;
      *) named=$1 ;;
    esac
    shift
  done
  [[ ! -f $config || ! -r $config ]] || IFS='' read -r -d '' text <"$config" || :
  printf -v inputs '%s\n' "$named" "${TCENV_ROOT_URL-}" "${TCENV_PROFILE-}" "${TCENV_LOADED-}" "${TASKCLUSTER_ROOT_URL-}" \
    "${TCENV_STORE-}" "$config" "${XDG_RUNTIME_DIR-}" "${XDG_STATE_HOME-}" "$HOME" "$text"
  if [[ -n $purpose ]] || ! __tcenv_from_note; then
    text=$(__TCENV_INPUTS=$inputs __TCENV_MEMO=$note command tcenv hook bash --for-directory ${named:+"$named"} \
      ${purpose:+--as "$purpose"}) || status=$?
    eval "$text"
  fi
  # Also watch for a session that does not exist yet: after a login anywhere, the next prompt loads it.
  watch_file ${__TCENV_WATCH:+"$__TCENV_WATCH"} "$config"
  unset -v __TCENV_WATCH
  if [[ -n $login && $status == 0 && -z ${TASKCLUSTER_ACCESS_TOKEN-} ]]; then
    text=$(command tcenv login ${named:+"$named"} ${purpose:+--as "$purpose"} --shell bash) && eval "$text"
  fi
  [[ $status != 0 || -z ${TASKCLUSTER_ACCESS_TOKEN-} ]] || return 0
  # direnv goes on after a command that fails. Only `exit` makes the .envrc fail.
  [[ -z $required ]] || exit 1
  return 1
}

# Load from the note if its inputs and the first line of the session's file are unchanged and the session has not ended.
__tcenv_from_note() {
  local was file first expires line token now
  [[ -f $note && -O $note ]] && {
    IFS='' read -r -d '' was && IFS='' read -r -d '' file && IFS='' read -r -d '' first &&
      IFS='' read -r -d '' expires && IFS='' read -r -d '' text
  } <"$note" || return 1
  printf -v now '%(%s)T' -1 2>/dev/null && [[ $was == "$inputs" && $now -lt $expires && -f $file && -O $file ]] || return 1
  { IFS='' read -r line && IFS='' read -r token; } <"$file"
  [[ $line == "$first" && $token == TASKCLUSTER_ACCESS_TOKEN=?* ]] || return 1
  eval "$text"
  export "${token?}"
}
