# tcenv for nushell: the command that applies login, signin, env and logout to this shell, and the prompt hook.
# nushell evaluates no text at run time: save it once (tcenv init nu | save -f ~/.config/nushell/tcenv.nu) and `source`
# it.

# --- function
# Completion gives its signatures to the external program, so PATH must find one. If it finds none, append the folder of
# the one that made this text.
if (which --all tcenv | where type == external | is-empty) {
    $env.PATH = ($env.PATH | split row (char esep) | append (@PROGRAM@ | path dirname))
}

# Tell the program that this function runs it.
def --wrapped __tcenv_run [...words: string] {
    with-env {__TCENV_FUNCTION: "1"} { ^tcenv ...$words }
}

def --env --wrapped tcenv [...words: string@COMPLETER@] {
    let applies = ($words | first 1 | any {|word| $word in [@EVALUATED@] }) and not ($words | any {|word|
        $word in [-h --help --csh --check] or ($word | str starts-with "--shell") or ($word | str starts-with "--format")
    })
    if $applies {
        __tcenv_run ($words | first) --shell nu ...($words | skip 1) | from json | load-env
    } else {
        __tcenv_run ...$words
    }
}

# --- hook
# At each prompt, compare what is loaded with the first line of the session's file and with the time. If they differ,
# the program decides. __TCENV holds the last comparison: TCENV_LOADED, the next time to act, and the difference for
# which the program changed nothing.
def --env __tcenv_hook [] {
    if ($env.TCENV_LOADED? | is-empty) or ($env.TCENV_PROXY? | is-not-empty) { return }
    let loaded = ($env.TCENV_LOADED | into string)
    let expires = ($env.TCENV_EXPIRES? | default "" | into string)
    let end = (if $expires =~ '^[1-9][0-9]{0,14}\z' { $expires | into int } else { 999999999999999 })
    if $env.__TCENV?.seen? != $"($loaded) ($expires)" {
        $env.__TCENV = {seen: $"($loaded) ($expires)", moment: ($end - 600), tried: ($env.__TCENV?.tried? | default "")}
    }
    # Profile, root URL, generation, file, and the choice before tcenv loaded anything.
    let words = ($loaded | split row " ")
    if ($words | length) < 5 { return }
    let file = ($words | skip 3 | drop 1 | str join " ")
    # Read only a regular file: any other could block.
    let line = (if ($file | path type) == "file" { try { open --raw $file | lines | first 1 | str join } catch { "" } } else { "" })
    let now = (date now | format date "%s" | into int)
    let is_new = ($file | str starts-with "/") and $line != $"GENERATION=($words.2)" and $"($loaded) ($line)" != $env.__TCENV.tried
    if $is_new or $now >= $env.__TCENV.moment { __tcenv_reload $line $now $end }
}

def --env __tcenv_reload [line: string, now: int, end: int] {
    let loaded = $env.TCENV_LOADED
    $env.__TCENV.tried = $"($loaded) ($line)"
    if $now >= $env.__TCENV.moment { $env.__TCENV.moment = (if $now < $end { $end } else { 999999999999999 }) }
    let change = (try {
        with-env {__TCENV_FUNCTION: "1"} { ^@PROGRAM@ hook nu } | from json
    } catch { null })
    if ($change | describe) =~ '^record' {
        load-env $change
    } else if $now >= $end {
        # If the program cannot run, unload the session when it has ended.
        let words = ($loaded | split row " ")
        let before = ($words | last | split row "=")
        print -e $"tcenv: the session of ($words.0) has expired"
        hide-env -i TASKCLUSTER_ROOT_URL TASKCLUSTER_CLIENT_ID TASKCLUSTER_ACCESS_TOKEN TASKCLUSTER_CERTIFICATE TCENV_PROFILE TCENV_EXPIRES TCENV_LOADED
        if ($before | length) > 1 { $env.TCENV_PROFILE = $before.0 }
        if ($before | last) != "-" { $env.TASKCLUSTER_ROOT_URL = ($before | last) }
    }
    if $env.TCENV_LOADED? != $loaded { $env.__TCENV.tried = "" }
}

if ($env.__TCENV_HOOKED? | describe) != "bool" {
    $env.__TCENV_HOOKED = true
    hide-env -i __TCENV
    $env.config = ($env.config? | default {} | upsert hooks.pre_prompt {|config|
        ($config.hooks?.pre_prompt? | default []) ++ [{|| __tcenv_hook }]
    })
}

# --- prompt
# Show the loaded profile in front of the user's own prompt. A subshell of tcenv has its own mark.
if ($env.TCENV_SUBSHELL? | is-empty) and ($env.__TCENV_PROMPTED? | describe) != "bool" {
    $env.__TCENV_PROMPTED = true
    let own = ($env.PROMPT_COMMAND? | default {|| $env.PWD })
    $env.PROMPT_COMMAND = {||
        let shown = (if ($own | describe) == "closure" { do $own } else { $own })
        let profile = ($env.TCENV_PROFILE? | default "")
        if ($env.TCENV_LOADED? | is-not-empty) and $profile =~ '^[A-Za-z0-9._@-]+\z' { $"\(tcenv:($profile)) ($shown)" } else { $shown }
    }
}
