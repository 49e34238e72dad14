# tcenv for elvish: the function that applies login, env and logout to this shell, and the prompt hook.
use str

# --- function
fn tcenv {|@words|
  var applies = $false
  if (and (> (count $words) 0) (has-value [login env logout] $words[0])) {
    set applies = $true
    for word $words {
      if (or (has-value [-h --help] $word) (str:has-prefix $word --shell) (str:has-prefix $word --format)) {
        set applies = $false
      }
    }
  }
  if $applies {
    var text = (e:tcenv $@words --shell elvish | slurp)
    eval $text
  } else {
    e:tcenv $@words
  }
}
edit:add-var tcenv~ $tcenv~

# --- hook
# elvish tells no time without a process: the hook heals and unloads, and says nothing about the end of a session.
var tcenv-token = ''
var tcenv-profile = ''
fn tcenv-hook {
  if (not (and (has-env TCENV_PROFILE) (has-env TASKCLUSTER_ACCESS_TOKEN) (has-env XDG_RUNTIME_DIR))) {
    return
  }
  if (has-env TASKCLUSTER_CERTIFICATE) {
    return
  }
  var token = $E:TASKCLUSTER_ACCESS_TOKEN
  var file = $E:XDG_RUNTIME_DIR/tcenv/$E:TCENV_PROFILE.session
  var text = ''
  try {
    set text = (slurp < $file)
  } catch e {
    if (and (eq $tcenv-profile $E:TCENV_PROFILE) (eq $tcenv-token $token)) {
      echo 'tcenv: '$E:TCENV_PROFILE': signed out elsewhere; tcenv login signs in again' >&2
      for name [TASKCLUSTER_ROOT_URL TASKCLUSTER_CLIENT_ID TASKCLUSTER_ACCESS_TOKEN TCENV_PROFILE TCENV_EXPIRES] {
        unset-env $name
      }
      set tcenv-profile = ''
    }
    return
  }
  var fields = [&]
  for line [(str:split "\n" $text)] {
    var parts = [(str:split &max=2 = $line)]
    if (== (count $parts) 2) {
      set fields[$parts[0]] = $parts[1]
    }
  }
  if (not (and (has-key $fields END) (eq $fields[END] tcenv-session-1))) {
    return
  }
  if (not-eq $fields[TASKCLUSTER_ROOT_URL] $E:TASKCLUSTER_ROOT_URL) {
    return
  }
  if (eq $fields[TASKCLUSTER_ACCESS_TOKEN] $token) {
    set tcenv-profile tcenv-token = $E:TCENV_PROFILE $token
    return
  }
  if (or (not-eq $tcenv-profile $E:TCENV_PROFILE) (eq $tcenv-token $token)) {
    for name [TASKCLUSTER_CLIENT_ID TASKCLUSTER_ACCESS_TOKEN TCENV_EXPIRES] {
      set-env $name $fields[$name]
    }
    set tcenv-profile tcenv-token = $E:TCENV_PROFILE $E:TASKCLUSTER_ACCESS_TOKEN
  }
}
if (not (has-env __TCENV_ELVISH_HOOK)) {
  set edit:before-readline = [$tcenv-hook~ $@edit:before-readline]
}
