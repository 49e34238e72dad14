# tcenv for elvish: the function that applies login, signin, env and logout to this shell, and the prompt hook.
use path
use re
use str

# --- function
var tcenv-program = @PROGRAM@

# The program that the PATH finds, else the one that made this text; it is told that this function is there.
fn tcenv-run {|@words|
  tmp E:__TCENV_FUNCTION = 1
  if (has-external tcenv) {
    e:tcenv $@words
  } else {
    (external $tcenv-program) $@words
  }
}

fn tcenv {|@words|
  var applies = $false
  if (and (> (count $words) 0) (has-value [@EVALUATED@] $words[0])) {
    set applies = $true
    for word $words {
      if (or (has-value [-h --help --csh --check] $word) (str:has-prefix $word --shell) (str:has-prefix $word --format)) {
        set applies = $false
      }
    }
  }
  if $applies {
    var text = (tcenv-run $@words --shell elvish | slurp)
    eval $text
  } else {
    tcenv-run $@words
  }
}
edit:add-var tcenv~ $tcenv~

# --- hook
# elvish tells no time without a process, and not whose a file is: the hook only looks whether the session's file still holds
# the token that is loaded; what else it may hold is tcenv's to judge. It says nothing about the end of a session.
var tcenv-runtime = @RUNTIME@
var tcenv-files = @FILES@
var tcenv-store = @STORE@
var tcenv-xdg = @XDG@
# What this shell has loaded; whether its file is to be there; and what its first line said when it was not taken.
var tcenv-seen = ''
var tcenv-token = ''
var tcenv-kept = $false
var tcenv-refused = ''

fn tcenv-unload {|profile|
  echo 'tcenv: '$profile': signed out elsewhere; tcenv login '$profile' signs in again' >&2
  var before = ''
  if (str:contains $E:TCENV_LOADED ' ') {
    set before = [(str:split ' ' $E:TCENV_LOADED)][-1]
  }
  for name [TASKCLUSTER_ROOT_URL TASKCLUSTER_CLIENT_ID TASKCLUSTER_ACCESS_TOKEN TCENV_PROFILE TCENV_EXPIRES TCENV_LOADED] {
    unset-env $name
  }
  if (re:match '^[A-Za-z0-9:/._~%@+\[\]-]{2,}\z' $before) {
    set-env TASKCLUSTER_ROOT_URL $before
  }
  set tcenv-seen = ''
}

fn tcenv-folder {
  var store = $E:TCENV_STORE
  if (eq $store '') {
    set store = $tcenv-store
  }
  if (eq $store file) {
    put $tcenv-files
  } elif (and (has-value [auto runtime] $store) (eq $E:XDG_RUNTIME_DIR $tcenv-xdg)) {
    put $tcenv-runtime
  } else {
    put ''
  }
}

fn tcenv-hook {
  if (or (not (has-env TCENV_PROFILE)) (not (has-env TASKCLUSTER_ACCESS_TOKEN)) (has-env TASKCLUSTER_CERTIFICATE)) {
    return
  }
  var profile token = $E:TCENV_PROFILE $E:TASKCLUSTER_ACCESS_TOKEN
  if (not (re:match '^[A-Za-z0-9][A-Za-z0-9._@-]{0,127}\z' $profile)) {
    return
  }
  var words = [(str:split ' ' $E:TCENV_LOADED)]
  if (and (has-env TCENV_LOADED) (not-eq $words[0] $E:TASKCLUSTER_ROOT_URL)) {
    return
  }
  var folder = (tcenv-folder)
  if (or (eq $folder '') (not (path:is-dir $folder))) {
    return
  }
  var seen = $profile' '$E:TCENV_EXPIRES' '$E:TCENV_LOADED
  if (not-eq $seen $tcenv-seen) {
    # Loaded since the last prompt, or inherited.
    set tcenv-seen tcenv-token = $seen $token
    set tcenv-kept = (and (has-env TCENV_LOADED) (not (has-value $words -)))
  }
  var file = $folder/$profile.session
  if (path:is-regular $file) {
    var first = ''
    try {
      set first = (read-line < $file)
    } catch e {
      return
    }
    if (eq $first TASKCLUSTER_ACCESS_TOKEN=$token) {
      set tcenv-token tcenv-kept = $token $true
    } elif (and (eq $tcenv-token $token) (not-eq $first $tcenv-refused)) {
      try {
        eval (tcenv-run env $profile --shell elvish 2>/dev/null | slurp)
        set tcenv-token tcenv-kept = $E:TASKCLUSTER_ACCESS_TOKEN $true
        set tcenv-seen = $profile' '$E:TCENV_EXPIRES' '$E:TCENV_LOADED
      } catch e {
        set tcenv-refused = $first
      }
    }
  } elif (and $tcenv-kept (eq $tcenv-token $token) (not ?(e:test -e $file -o -L $file))) {
    tcenv-unload $profile
  }
}
if (not (has-env __TCENV_ELVISH_HOOK)) {
  set edit:before-readline = [$tcenv-hook~ $@edit:before-readline]
}

# --- prompt
# The profile that is loaded, in front of the user's own prompt; a subshell of tcenv has its own mark.
# This text may be evaluated twice; of what outlives it in this shell alone, the completers can be told apart by name.
if (not (or (has-env TCENV_SUBSHELL) (has-key $edit:completion:arg-completer tcenv-prompt))) {
  var own = $edit:prompt
  set edit:prompt = {
    if (re:match '^[A-Za-z0-9._@-]+\z' $E:TCENV_PROFILE) {
      put '(tcenv:'$E:TCENV_PROFILE') '
    }
    $own
  }
  set edit:completion:arg-completer[tcenv-prompt] = {|@words| }
}
