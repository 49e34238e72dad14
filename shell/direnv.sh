# shellcheck shell=bash
# direnv library of tcenv: `use taskcluster [PROFILE] [--required] [--login]` in an .envrc.
#
# A session in the runtime or file store is read by builtins; the one program that runs is direnv's own `watch_file`.

use_taskcluster() {
  local profile='' required='' login='' word
  for word in "$@"; do
    case $word in
      --required) required=1 ;;
      --login) login=1 ;;
      -*)
        log_error "use taskcluster: unknown option $word (known: --required, --login)"
        return 1
        ;;
      *) profile=$word ;;
    esac
  done

  local config=${TCENV_CONFIG:-${XDG_CONFIG_HOME:-$HOME/.config}/tcenv/config.toml}
  local index=${XDG_CACHE_HOME:-$HOME/.cache}/tcenv/profiles.index
  local state=${XDG_STATE_HOME:-$HOME/.local/state}/tcenv
  local store=${TCENV_STORE-} default='' configured='' known=1 line
  if [[ -e $config ]]; then
    if [[ -r $index && ! $config -nt $index && ! $config -ot $index ]]; then
      while IFS='' read -r line; do
        case $line in
          STORE=*) store=${store:-${line#STORE=}} ;;
          DEFAULT=*)
            default=${line#DEFAULT=}
            profile=${profile:-$default}
            ;;
          "PROFILE $profile "*)
            configured=${line##* }
            break
            ;;
        esac
      done <"$index"
    else
      known=''
    fi
  fi
  if [[ -z $profile && -n $known ]]; then
    __tcenv_profile_of "${TASKCLUSTER_ROOT_URL-}"
  fi

  local directory=''
  case ${store:-auto} in
    file) directory=$state/sessions ;;
    auto | runtime)
      if [[ -n ${XDG_RUNTIME_DIR-} && -w $XDG_RUNTIME_DIR ]]; then
        directory=$XDG_RUNTIME_DIR/tcenv
      fi
      ;;
  esac
  # A file that is not there yet is watched too: a login anywhere shows at the next prompt.
  if [[ -n $directory ]]; then
    watch_file "$directory/$profile.session" "$config"
  else
    watch_file "$state/keyring-profiles" "$config"
  fi

  if [[ -z $known || -z $directory ]]; then
    # The configuration has changed, or a keyring holds the session: the program itself knows more.
    __tcenv_by_program env && return 0
  elif [[ -n $profile ]] && __tcenv_from_file "$directory/$profile.session"; then
    return 0
  fi
  if [[ -n $login ]]; then
    __tcenv_by_program login && return 0
  fi
  log_error "not signed in to ${profile:-Taskcluster}: tcenv login${profile:+ $profile}"
  if [[ -n $required ]]; then
    # direnv goes on after a command that fails; only this makes the .envrc fail.
    exit 1
  fi
}

# The name that a bare root URL goes by (tcenv/profilename.py), into `profile`; nothing for one with a path.
__tcenv_profile_of() {
  local url=${1%/} rest
  rest=${url#*://}
  if [[ -z $url || $rest == "$url" || $rest == */* ]]; then
    return 0
  fi
  rest=${rest//[\[\]]/}
  profile=${rest//:/_}
  if [[ ${url%%://*} != https ]]; then
    profile=${url%%://*}_$profile
  fi
}

__tcenv_by_program() {
  local text
  text=$(TCENV_PROFILE='' command tcenv "$1" ${profile:+"$profile"} --shell bash) || return 1
  eval "$text"
}

__tcenv_from_file() {
  local key value root='' client='' token='' name='' expires='' end='' now=${EPOCHSECONDS-}
  if [[ ! -r $1 || ! -O $1 || -L $1 ]]; then
    return 1
  fi
  while IFS='=' read -r key value; do
    case $key in
      TASKCLUSTER_ROOT_URL) root=$value ;;
      TASKCLUSTER_CLIENT_ID) client=$value ;;
      TASKCLUSTER_ACCESS_TOKEN) token=$value ;;
      TCENV_PROFILE) name=$value ;;
      TCENV_EXPIRES) expires=$value ;;
      END) end=$value ;;
    esac
  done <"$1"
  if [[ -z $now ]]; then
    printf -v now '%(%s)T' -1 2>/dev/null || now=0
  fi
  if [[ $end != tcenv-session-1 || $name != "$profile" || ! $expires =~ ^[0-9]+$ ]] || ((now >= expires)) ||
    [[ -n $configured && $root != "$configured" ]]; then
    return 1
  fi
  export TASKCLUSTER_ROOT_URL="$root" TASKCLUSTER_CLIENT_ID="$client" TASKCLUSTER_ACCESS_TOKEN="$token"
  export TCENV_PROFILE="$name" TCENV_EXPIRES="$expires"
  unset -v TASKCLUSTER_CERTIFICATE
}
