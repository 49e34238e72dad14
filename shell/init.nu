# tcenv for nushell: the command that applies login, signin, env and logout to this shell, and the prompt hook.
# nushell reads no text at run time: save it once (tcenv init nu | save -f ~/.config/nushell/tcenv.nu) and `source` it.

# --- function
# The signatures of completion stand for the program itself, so the PATH has to find one: else the one that made this text.
if (which --all tcenv | where type == external | is-empty) {
    $env.PATH = ($env.PATH | split row (char esep) | append (@PROGRAM@ | path dirname))
}

# The program is told that the function is there.
def --wrapped __tcenv_run [...words: string] {
    with-env {__TCENV_FUNCTION: "1"} { ^tcenv ...$words }
}

def --env --wrapped tcenv [...words: string] {
    let applies = ($words | first 1 | any {|word| $word in [@EVALUATED@] }) and not ($words | any {|word|
        $word in [-h --help --csh --check] or ($word | str starts-with "--shell") or ($word | str starts-with "--format")
    })
    if $applies {
        __tcenv_run ...$words --shell nu | from json | load-env
    } else {
        __tcenv_run ...$words
    }
}

# --- hook
# It only looks whether the session's file still holds the token that is loaded; what else it may hold is tcenv's to judge.
def --env __tcenv_hook [] {
    let profile = ($env.TCENV_PROFILE? | default "" | into string)
    let token = ($env.TASKCLUSTER_ACCESS_TOKEN? | default "" | into string)
    if ($token | is-empty) or not ($profile =~ '^[A-Za-z0-9][A-Za-z0-9._@-]{0,127}\z') { return }
    let loaded = ($env.TCENV_LOADED? | default "" | into string)
    let words = ($loaded | split row " ")
    let root = ($env.TASKCLUSTER_ROOT_URL? | default "")
    if ($loaded | is-not-empty) and $words.0 != $root { return }
    let expires = ($env.TCENV_EXPIRES? | default "" | into string)
    let end = (if $expires =~ '^[1-9][0-9]{0,14}\z' { $expires | into int } else { 0 })
    let now = (date now | format date "%s" | into int)
    let seen = $"($profile) ($expires) ($loaded)"
    if $env.__TCENV?.seen? != $seen {
        # Loaded since the last prompt, or inherited.
        $env.__TCENV = {
            seen: $seen, token: $token, kept: (($loaded | is-not-empty) and "-" not-in $words)
            renew: ($end - 600), reminded: false, refused: ""
        }
    }
    if ($env.TASKCLUSTER_CERTIFICATE? | is-empty) {
        let folder = (__tcenv_folder)
        let file = $"($folder)/($profile).session"
        if ($folder | is-not-empty) and ($folder | path type) == "dir" {
            if ($file | path type) == "file" {
                let lines = (try { open --raw $file | lines } catch { [] })
                let first = ($lines | get --optional 0 | default "")
                if $first == $"TASKCLUSTER_ACCESS_TOKEN=($token)" {
                    let renew = ($lines | where $it =~ '^RENEW=[1-9][0-9]{0,14}\z' | get --optional 0 | default $"RENEW=($end - 600)")
                    $env.__TCENV = ($env.__TCENV | merge {token: $token, kept: true, renew: ($renew | str substring 6.. | into int)})
                } else if $env.__TCENV.token == $token and $env.__TCENV.refused != $first {
                    let change = (try { __tcenv_run env $profile --shell nu e> /dev/null | from json } catch { null })
                    if ($change | describe) =~ '^record' {
                        load-env $change
                        $env.__TCENV = {
                            seen: $"($profile) ($env.TCENV_EXPIRES) ($env.TCENV_LOADED? | default '')"
                            token: $env.TASKCLUSTER_ACCESS_TOKEN, kept: true
                            renew: (($env.TCENV_EXPIRES | into int) - 600), reminded: false, refused: ""
                        }
                        __tcenv_hook
                        return
                    }
                    $env.__TCENV.refused = $first
                }
            } else if $env.__TCENV.kept and $env.__TCENV.token == $token and ($file | path type) == null and ($end == 0 or $now < $end) {
                __tcenv_unload "signed out elsewhere"
                return
            }
        }
    }
    if $env.__TCENV.token != $token or $end == 0 { return }
    if $now >= $end {
        __tcenv_unload "the session has expired"
    } else if $now >= $env.__TCENV.renew and not $env.__TCENV.reminded {
        $env.__TCENV.reminded = true
        print -e $"tcenv: ($profile) ends in (($end - $now) // 60) min; tcenv login ($profile) --reset renews it"
    }
}

# Where the store in use keeps its files.
def __tcenv_folder [] {
    match ($env.TCENV_STORE? | default "" | if ($in | is-empty) { @STORE@ } else { $in }) {
        "auto" | "runtime" => (if ($env.XDG_RUNTIME_DIR? | default "") == @XDG@ { @RUNTIME@ } else { "" })
        "file" => @FILES@
        _ => ""
    }
}

# Take away what was loaded; the root URL becomes what it was before that.
def --env __tcenv_unload [why: string] {
    print -e $"tcenv: ($env.TCENV_PROFILE): ($why); tcenv login ($env.TCENV_PROFILE) signs in again"
    let words = ($env.TCENV_LOADED? | default "" | split row " ")
    let before = (if ($words | length) > 1 { $words | last } else { "" })
    hide-env -i TASKCLUSTER_ROOT_URL TASKCLUSTER_CLIENT_ID TASKCLUSTER_ACCESS_TOKEN TASKCLUSTER_CERTIFICATE TCENV_PROFILE TCENV_EXPIRES TCENV_LOADED __TCENV
    if $before =~ '^[A-Za-z0-9:/._~%@+\[\]-]{2,}\z' { $env.TASKCLUSTER_ROOT_URL = $before }
}

if ($env.__TCENV_HOOKED? | describe) != "bool" {
    $env.__TCENV_HOOKED = true
    hide-env -i __TCENV
    $env.config = ($env.config | upsert hooks.pre_prompt {|config|
        ($config.hooks?.pre_prompt? | default []) ++ [{|| __tcenv_hook }]
    })
}

# --- prompt
# The profile that is loaded, in front of the user's own prompt; a subshell of tcenv has its own mark.
if ($env.TCENV_SUBSHELL? | is-empty) and ($env.__TCENV_PROMPTED? | describe) != "bool" {
    $env.__TCENV_PROMPTED = true
    let own = ($env.PROMPT_COMMAND? | default {|| $env.PWD })
    $env.PROMPT_COMMAND = {||
        let shown = (if ($own | describe) == "closure" { do $own } else { $own })
        let profile = ($env.TCENV_PROFILE? | default "")
        if $profile =~ '^[A-Za-z0-9._@-]+\z' { $"\(tcenv:($profile)) ($shown)" } else { $shown }
    }
}
