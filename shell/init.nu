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
# the program decides. __TCENV_TRIED holds the difference for which the program changed nothing.
def --env __tcenv_hook [] {
    if ($env.TCENV_LOADED? | is-empty) or ($env.TCENV_PROXY? | is-not-empty) { return }
    # Profile, root URL, generation, file, and the choice before tcenv loaded anything.
    let words = ($env.TCENV_LOADED | into string | split row " ")
    if ($words | length) < 5 { return }
    let file = ($words | skip 3 | drop 1 | str join " ")
    let first = (if ($file | str starts-with "/") { $"GENERATION=($words.2)" } else { "" })
    # Read only a regular file: any other could block.
    let line = (if ($file | path type) == "file" { try { open --raw $file | lines | get 0 } catch { "" } } else { "" })
    let expires = ($env.TCENV_EXPIRES? | default "" | into string)
    let left = (if $expires =~ '^[1-9][0-9]{0,14}\z' { ($expires | into int) - (date now | format date "%s" | into int) } else { 999999999 })
    # "soon" in the last ten minutes of the session, "over" after its end.
    let due = (if $left <= 0 { "over" } else if $left <= 600 { "soon" } else { "" })
    let state = {loaded: $words, expires: $expires, due: $due, line: $line}
    if ($due == "" and $line == $first) or $state == $env.__TCENV_TRIED? { return }
    $env.__TCENV_TRIED = $state
    let change = (try {
        with-env {__TCENV_FUNCTION: "1"} { ^@PROGRAM@ hook nu } | from json
    } catch { null })
    if ($change | describe) =~ '^record' {
        load-env $change
    } else if $due == "over" {
        # If the program cannot run, unload the session when it has ended.
        let before = ($words | last | split row "=")
        print -e $"tcenv: the session of ($words.0) has expired"
        hide-env -i @VARIABLES@
        if ($before | length) > 1 { $env.TCENV_PROFILE = $before.0 }
        if ($before | last) != "-" { $env.TASKCLUSTER_ROOT_URL = ($before | last) }
    }
    if ($env.TCENV_LOADED? | default "" | into string) != ($words | str join " ") { $env.__TCENV_TRIED = null }
}

if ($env.__TCENV_HOOKED? | describe) != "bool" {
    $env.__TCENV_HOOKED = true
    $env.__TCENV_TRIED = null
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
