# tcenv for elvish: the function that applies login, signin, env and logout to this shell, and the prompt hook.
use path
use re
use str

# --- function
var tcenv-program = @PROGRAM@

# Run the program that PATH finds, else the one that printed this text. __TCENV_FUNCTION tells it about this function.
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
    var text = (tcenv-run $words[0] --shell elvish (all $words[1..]) | slurp)
    eval $text
  } else {
    tcenv-run $@words
  }
}
edit:add-var tcenv~ $tcenv~

# --- hook
# At each prompt, compare what is loaded with the first line of the session's file. If they differ, the program decides.
# elvish cannot tell the time without a process, so the hook neither announces the end nor unloads a session that has
# ended.
var tcenv-tried = ''

fn tcenv-hook {
  if (or (not (has-env TCENV_LOADED)) (has-env TCENV_PROXY)) {
    return
  }
  # Profile, root URL, generation, file, and the choice before tcenv loaded anything.
  var words = [(str:split ' ' $E:TCENV_LOADED)]
  if (< (count $words) 5) {
    return
  }
  var file first = (str:join ' ' $words[3..-1]) ''
  if (not (path:is-abs $file)) {
    return
  }
  # Read only a regular file: any other could block.
  if (path:is-regular $file) {
    try {
      set first = (read-line < $file)
    } catch e { }
  }
  var loaded = $E:TCENV_LOADED
  if (or (eq $first GENERATION=$words[2]) (eq $loaded' '$first $tcenv-tried)) {
    return
  }
  set tcenv-tried = $loaded' '$first
  try {
    tmp E:__TCENV_FUNCTION = 1
    eval ((external $tcenv-program) hook elvish | slurp)
  } catch e { }
  if (not-eq $E:TCENV_LOADED $loaded) {
    set tcenv-tried = ''
  }
}
if (not (has-env __TCENV_ELVISH_HOOK)) {
  set edit:before-readline = [$tcenv-hook~ $@edit:before-readline]
}

# --- prompt
# Show the loaded profile in front of the user's own prompt. A subshell of tcenv has its own mark. The user may evaluate
# this text twice. A completer marks the first time: it has a name, and other shells do not inherit it.
if (not (or (has-env TCENV_SUBSHELL) (has-key $edit:completion:arg-completer tcenv-prompt))) {
  var own = $edit:prompt
  set edit:prompt = {
    if (and (has-env TCENV_LOADED) (re:match '^[A-Za-z0-9._@-]+\z' $E:TCENV_PROFILE)) {
      put '(tcenv:'$E:TCENV_PROFILE') '
    }
    $own
  }
  set edit:completion:arg-completer[tcenv-prompt] = {|@words| }
}
