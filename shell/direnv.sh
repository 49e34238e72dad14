# shellcheck shell=bash
# direnv library of tcenv: `use taskcluster [PROFILE] [--as PURPOSE] [--required] [--login]` in an .envrc.
#
# A session in the runtime or file store is read by builtins; the one program that runs is direnv's own `watch_file`.

use_taskcluster() {
  local __tcenv_trace='' __tcenv_status=0
  case $- in
    *x*)
      # A trace would show the token.
      __tcenv_trace=1
      { set +x; } 2>/dev/null
      ;;
  esac
  __tcenv_use "$@" || __tcenv_status=$?
  if [[ $__tcenv_status == 99 ]]; then
    # direnv goes on after a command that fails; only this makes the .envrc fail.
    exit 1
  fi
  if [[ -n $__tcenv_trace ]]; then
    set -x
  fi
  return "$__tcenv_status"
}

# 99 where a session is required and there is none.
__tcenv_use() {
  local profile='' purpose='' required='' login=''
  while (($#)); do
    case $1 in
      --required) required=1 ;;
      --login) login=1 ;;
      --as=?*) purpose=${1#--as=} ;;
      --as)
        if [[ -z ${2-} ]]; then
          log_error "use taskcluster: --as needs the name of a purpose"
          return 1
        fi
        purpose=$2
        shift
        ;;
      -*)
        log_error "use taskcluster: unknown option $1 (known: --as, --required, --login)"
        return 1
        ;;
      *) profile=$1 ;;
    esac
    shift
  done

  # Behind a proxy, programs have no token, and are to be given none.
  if [[ -n ${TCENV_PROXY-} && ${TASKCLUSTER_ROOT_URL-} == "${TCENV_PROXY%% *}" ]]; then
    local behind=${TCENV_PROXY#* }
    case ${profile:-${behind%% *}} in
      "${behind%% *}" | "${behind#* }") return 0 ;;
    esac
  fi

  # What the session has to be of: a profile's name, a root URL, or both.
  local named=$profile url='' known=1 store=${TCENV_STORE-} config index state directory
  __tcenv_xdg "${XDG_CONFIG_HOME-}" .config
  config=${TCENV_CONFIG:-$REPLY/tcenv/config.toml}
  __tcenv_xdg "${XDG_CACHE_HOME-}" .cache
  index=$REPLY/tcenv/profiles.index
  __tcenv_xdg "${XDG_STATE_HOME-}" .local/state
  state=$REPLY/tcenv
  __tcenv_wanted
  __tcenv_configured || known=''
  if [[ -z $profile && -n $url ]]; then
    __tcenv_profile_of "$url"
  fi
  if [[ -n $purpose && ! $purpose =~ ^[A-Za-z0-9._@-]+$ ]]; then
    log_error "use taskcluster: --as needs the name of a purpose"
    return 1
  fi
  if [[ ${#profile} -gt 128 || ! $profile =~ ^[A-Za-z0-9][A-Za-z0-9._@-]*$ ]]; then
    profile=''
  fi
  __tcenv_directory
  # A file that is not there yet is watched too: a login anywhere shows at the next prompt.
  if [[ -n $directory ]]; then
    watch_file "$directory/$profile.session" "$config"
  else
    watch_file "$state/keyring-profiles" "$config"
  fi

  if [[ -z $known || -z $directory || -n $purpose ]]; then
    # The configuration has changed, a keyring holds the session, or it is to be cut: the program itself knows more.
    __tcenv_by_program env && return 0
  elif [[ -n $profile ]] && __tcenv_from_file "$directory" "$directory/$profile.session"; then
    return 0
  fi
  if [[ -n $login ]]; then
    __tcenv_by_program login && return 0
  fi
  named=${named//[^[:print:]]/?}
  log_error "not signed in to ${named:-${profile:-Taskcluster}}: tcenv login${named:+ $named}${purpose:+ --as $purpose}"
  if [[ -n $required ]]; then
    return 99
  fi
}

# An XDG base directory into REPLY: a relative one is to be ignored. A home that is no absolute path is none.
__tcenv_xdg() {
  REPLY=/dev/null
  if [[ $HOME == /* ]]; then
    REPLY=$HOME/$2
  fi
  if [[ $1 == /* ]]; then
    REPLY=$1
  fi
}

# Which deployment is meant, where the .envrc names none, into `profile` or `url`: what is loaded, unless another root URL has
# been chosen since; else that root URL.
__tcenv_wanted() {
  if [[ $profile == *://* ]]; then
    url=${profile%/} profile=''
  elif [[ -z $profile ]]; then
    if [[ -n ${TCENV_ROOT_URL-} ]]; then
      url=${TCENV_ROOT_URL%/}
    else
      local loaded=${TCENV_LOADED:-${TASKCLUSTER_ROOT_URL-}}
      if [[ -n ${TCENV_PROFILE-} && ${loaded%% *} == "${TASKCLUSTER_ROOT_URL-}" ]]; then
        profile=$TCENV_PROFILE
      fi
      url=${TASKCLUSTER_ROOT_URL-}
      url=${url%/}
    fi
  fi
}

# What the configuration's index says of it, into `store`, `profile` and `url`. Fails where the index is not of this
# configuration as it is now.
__tcenv_configured() {
  if [[ ! -e $config ]]; then
    return 0
  fi
  if [[ ! -r $index || ! -O $index || ! -r $config ]]; then
    return 1
  fi
  local line default='' found='' name root count=0 of='' text=''
  {
    IFS='' read -r line
    if [[ $line != "CONFIG=$config" ]]; then
      return 1
    fi
    while IFS='' read -r line; do
      case $line in
        '')
          # Behind the blank line stands the configuration that it is of: times and sizes can stay what they were.
          IFS='' read -r -d '' of || true
          break
          ;;
        STORE=*) store=${store:-${line#STORE=}} ;;
        DEFAULT=*)
          default=${line#DEFAULT=}
          if [[ -z $profile && -z $url ]]; then
            profile=$default
          fi
          ;;
        PROFILE\ *)
          line=${line#PROFILE } name=${line%% *} root=${line#* }
          if [[ -n $profile && $name == "$profile" ]]; then
            found=$root
          elif [[ -z $profile && $root == "$url" ]]; then
            # One that belongs to a single profile, or to the default one, means that.
            count=$((count + 1))
            if ((count == 1)) || [[ $name == "$default" ]]; then
              found=$name
            elif [[ $found != "$default" ]]; then
              found=''
            fi
          fi
          ;;
      esac
    done
  } <"$index"
  IFS='' read -r -d '' text <"$config" || true
  if [[ $of != "$text" ]]; then
    return 1
  fi
  if [[ -z $profile ]]; then
    profile=$found
  elif [[ -n $found && -z ${url:+$named} ]]; then
    url=$found
  fi
}

# Where the store in use keeps its files, into `directory`; nothing where it keeps none.
__tcenv_directory() {
  directory=''
  case ${store:-auto} in
    file) directory=$state/sessions ;;
    auto | runtime)
      # Another user's directory counts as none.
      if [[ ${XDG_RUNTIME_DIR-} == /* && -d $XDG_RUNTIME_DIR && -O $XDG_RUNTIME_DIR && -w $XDG_RUNTIME_DIR ]]; then
        directory=$XDG_RUNTIME_DIR/tcenv
      elif [[ -d /run/user/$EUID && -O /run/user/$EUID && -w /run/user/$EUID ]]; then
        directory=/run/user/$EUID/tcenv
      elif [[ -d /dev/shm && -w /dev/shm ]]; then
        directory=/dev/shm/tcenv-$EUID
      fi
      ;;
  esac
}

# The name that a bare root URL goes by, into `profile`; nothing for one with a path.
__tcenv_profile_of() {
  local of=${1%/} rest
  rest=${of#*://}
  if [[ -z $of || $rest == "$of" || $rest == */* || $of == 'https://['* ]]; then
    return 0
  fi
  rest=${rest//[\[\]]/}
  profile=${rest//:/_}
  if [[ ${of%%://*} != https ]]; then
    profile=${of%%://*}_$profile
  fi
}

__tcenv_by_program() {
  local text
  text=$(command tcenv "$1" ${named:+"$named"} ${purpose:+--as "$purpose"} --shell bash) || return 1
  eval "$text"
}

# Load what the file $2 in the directory $1 holds, if it is what tcenv has written for this deployment, and live.
__tcenv_from_file() {
  local key value root='' client='' token='' name='' expires='' end='' now=0 before=''
  if [[ ! -O $1 || -L $1 || ! -f $2 || ! -O $2 || -L $2 || ! -r $2 ]]; then
    return 1
  fi
  while IFS='=' read -r key value; do
    case $key in
      TASKCLUSTER_ROOT_URL) root=$value ;;
      TASKCLUSTER_CLIENT_ID) client=$value ;;
      TASKCLUSTER_ACCESS_TOKEN) token=$value ;;
      TCENV_PROFILE) name=$value ;;
      TCENV_EXPIRES) expires=$value ;;
      # Being reset, or ended: not to be trusted as it is.
      STATE) return 1 ;;
      END) end=$value ;;
    esac
  done <"$2"
  printf -v now '%(%s)T' -1 2>/dev/null || return 1
  if [[ $end != tcenv-session-1 || $name != "$profile" || ! $expires =~ ^[1-9][0-9]{0,14}$ ]] || ((now >= expires)); then
    return 1
  fi
  # Root URLs are compared, not the names made from them.
  if [[ -n $url ]]; then
    if [[ $root != "$url" ]]; then
      return 1
    fi
  else
    local profile=''
    __tcenv_profile_of "$root"
    if [[ $profile != "$name" ]]; then
      return 1
    fi
  fi
  # What the root URL was before tcenv loaded anything.
  if [[ -n ${TCENV_LOADED-} && ${TCENV_LOADED%% *} == "${TASKCLUSTER_ROOT_URL-}" ]]; then
    case $TCENV_LOADED in
      *' '*) before=${TCENV_LOADED##* } ;;
    esac
  elif [[ -z ${TCENV_PROFILE-} || -n ${TCENV_LOADED-} ]]; then
    before=${TASKCLUSTER_ROOT_URL-}
  fi
  case $before in
    - | *[!]A-Za-z0-9:/._~%@+[-]*) before='' ;;
  esac
  export TASKCLUSTER_ROOT_URL="$root" TASKCLUSTER_CLIENT_ID="$client" TASKCLUSTER_ACCESS_TOKEN="$token"
  export TCENV_PROFILE="$name" TCENV_EXPIRES="$expires" TCENV_LOADED="$root${before:+ $before}"
  unset -v TASKCLUSTER_CERTIFICATE
}
