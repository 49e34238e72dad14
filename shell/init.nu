# tcenv for nushell: the command that applies login, env and logout to this shell, and the prompt hook.
# nushell reads no text at run time: save it once (tcenv init nu | save -f ~/.config/nushell/tcenv.nu) and `source` it.

# --- function
def --env --wrapped tcenv [...words: string] {
    let applies = ($words | first 1 | any {|word| $word in [login env logout] }) and not ($words | any {|word|
        $word in [-h --help] or ($word | str starts-with "--shell") or ($word | str starts-with "--format")
    })
    if $applies {
        ^tcenv ...$words --shell nu | from json | load-env
    } else {
        ^tcenv ...$words
    }
}

# --- hook
def --env __tcenv_hook [] {
    if ($env.TCENV_PROFILE? | is-empty) or ($env.TASKCLUSTER_ACCESS_TOKEN? | is-empty) { return }
    let now = (date now | format date "%s" | into int)
    let file = $"($env.XDG_RUNTIME_DIR?)/tcenv/($env.TCENV_PROFILE).session"
    let remembered = ($env.__TCENV?.token? | default $env.TASKCLUSTER_ACCESS_TOKEN)
    if ($env.TASKCLUSTER_CERTIFICATE? | is-empty) {
        if ($file | path exists) {
            let fields = (open --raw $file | lines | parse "{key}={value}" | uniq-by key | transpose -r -d)
            let whole = ($fields.END? == "tcenv-session-1") and ($fields.TASKCLUSTER_ROOT_URL? == $env.TASKCLUSTER_ROOT_URL?)
            if $whole {
                if $fields.TASKCLUSTER_ACCESS_TOKEN != $env.TASKCLUSTER_ACCESS_TOKEN and $remembered == $env.TASKCLUSTER_ACCESS_TOKEN and ($fields.TCENV_EXPIRES | into int) > $now {
                    load-env ($fields | select TASKCLUSTER_CLIENT_ID TASKCLUSTER_ACCESS_TOKEN TCENV_EXPIRES)
                }
                if $fields.TASKCLUSTER_ACCESS_TOKEN == $env.TASKCLUSTER_ACCESS_TOKEN {
                    $env.__TCENV = {
                        token: $env.TASKCLUSTER_ACCESS_TOKEN
                        renew: ($fields.RENEW | into int)
                        tracked: $env.TCENV_PROFILE
                        reminded: ($env.__TCENV?.reminded? | default "")
                    }
                }
            }
        } else if $env.__TCENV?.tracked? == $env.TCENV_PROFILE and $remembered == $env.TASKCLUSTER_ACCESS_TOKEN {
            __tcenv_unload "signed out elsewhere"
            return
        }
    }
    if $remembered != $env.TASKCLUSTER_ACCESS_TOKEN and $env.__TCENV?.token? != $env.TASKCLUSTER_ACCESS_TOKEN { return }
    let end = ($env.TCENV_EXPIRES? | default "0" | into int)
    if $now >= $end {
        __tcenv_unload "the session has expired"
    } else if $now >= ($env.__TCENV?.renew? | default ($end - 600)) and $env.__TCENV?.reminded? != $env.TCENV_EXPIRES {
        $env.__TCENV = ($env.__TCENV? | default {token: $env.TASKCLUSTER_ACCESS_TOKEN} | upsert reminded $env.TCENV_EXPIRES)
        print -e $"tcenv: ($env.TCENV_PROFILE) ends in (($end - $now) // 60) min; tcenv login --reset renews it"
    }
}

def --env __tcenv_unload [why: string] {
    print -e $"tcenv: ($env.TCENV_PROFILE): ($why); tcenv login signs in again"
    hide-env -i TASKCLUSTER_ROOT_URL TASKCLUSTER_CLIENT_ID TASKCLUSTER_ACCESS_TOKEN TASKCLUSTER_CERTIFICATE TCENV_PROFILE TCENV_EXPIRES __TCENV
}

if ($env.__TCENV_HOOKED? | is-empty) {
    $env.__TCENV_HOOKED = true
    $env.config = ($env.config | upsert hooks.pre_prompt {|config|
        ($config.hooks?.pre_prompt? | default []) ++ [{|| __tcenv_hook }]
    })
}
