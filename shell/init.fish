# tcenv for fish: the function that applies login, env and logout to this shell, and the prompt hook.

# --- function
function tcenv --description 'Taskcluster credentials for this shell'
    set -l evaluated 0
    switch "$argv[1]"
        case login env logout
            set evaluated 1
            for word in $argv
                switch $word
                    case -h --help --shell '--shell=*' --format '--format=*'
                        set evaluated 0
                end
            end
    end
    if test $evaluated = 0
        command tcenv $argv
        return
    end
    if status is-command-substitution
        # Inside of (…) the text is what is wanted.
        command tcenv $argv --shell fish
        return
    end
    set -l text (command tcenv $argv --shell fish)
    set -l code $status
    test $code = 0; or return $code
    builtin string join -- \n $text | source
end

# --- hook
# What this shell has loaded, by profile and end; its token; from when on to remind of the end.
set -q __tcenv_seen; or set -g __tcenv_seen ''
set -q __tcenv_token; or set -g __tcenv_token ''
set -q __tcenv_renew; or set -g __tcenv_renew 0
set -q __tcenv_tracked; or set -g __tcenv_tracked ''
set -q __tcenv_reminded; or set -g __tcenv_reminded ''

function __tcenv_hook --on-event fish_prompt
    test -n "$TCENV_PROFILE" -a -n "$TASKCLUSTER_ACCESS_TOKEN"; or return 0
    set -l file "$XDG_RUNTIME_DIR/tcenv/$TCENV_PROFILE.session"
    if test "$TCENV_PROFILE:$TCENV_EXPIRES" != "$__tcenv_seen"
        # Loaded since the last prompt, or inherited.
        set __tcenv_seen "$TCENV_PROFILE:$TCENV_EXPIRES"
        set __tcenv_token "$TASKCLUSTER_ACCESS_TOKEN"
        set __tcenv_tracked ''
        set __tcenv_reminded ''
        set __tcenv_renew (math "0$TCENV_EXPIRES" - 600)
    end
    if test -z "$TASKCLUSTER_CERTIFICATE"
        set -l first ''
        if test -r "$file"; and builtin read first <"$file"
            if test "$first" = "TASKCLUSTER_ACCESS_TOKEN=$TASKCLUSTER_ACCESS_TOKEN"
                set __tcenv_token "$TASKCLUSTER_ACCESS_TOKEN"
                test -n "$__tcenv_tracked"; or __tcenv_load "$file"
            else if test "$__tcenv_token" = "$TASKCLUSTER_ACCESS_TOKEN"
                __tcenv_load "$file"
            end
        else if test -n "$__tcenv_tracked" -a "$__tcenv_token" = "$TASKCLUSTER_ACCESS_TOKEN"
            __tcenv_unload 'signed out elsewhere'
            return 0
        end
    end
    test "$__tcenv_token" = "$TASKCLUSTER_ACCESS_TOKEN"; or return 0
    # fish tells no time, but a file's age and its time of change add up to it.
    set -l now (__tcenv_now)
    test -n "$now" -a -n "$TCENV_EXPIRES"; or return 0
    if test $now -ge "$TCENV_EXPIRES"
        __tcenv_unload 'the session has expired'
    else if test $now -ge "$__tcenv_renew" -a -z "$__tcenv_reminded"
        set __tcenv_reminded 1
        set -l left (math --scale=0 "($TCENV_EXPIRES - $now) / 60")
        builtin printf 'tcenv: %s ends in %d min; tcenv login --reset renews it\n' "$TCENV_PROFILE" $left >&2
    end
    return 0
end

function __tcenv_now
    set -l then (path mtime / 2>/dev/null)
    set -l age (path mtime --relative / 2>/dev/null)
    test -n "$then" -a -n "$age"; and math "$then + $age"
end

# Load the session from its file, if it is whole, live, and of this shell's deployment.
function __tcenv_load --argument-names file
    set -l root
    set -l client
    set -l token
    set -l profile
    set -l expires
    set -l renew
    set -l finish
    while builtin read --delimiter = key value
        switch "$key"
            case TASKCLUSTER_ROOT_URL
                set root $value
            case TASKCLUSTER_CLIENT_ID
                set client $value
            case TASKCLUSTER_ACCESS_TOKEN
                set token $value
            case TCENV_PROFILE
                set profile $value
            case TCENV_EXPIRES
                set expires $value
            case RENEW
                set renew $value
            case END
                set finish $value
        end
    end <"$file"
    test "$finish" = tcenv-session-1 -a "$profile" = "$TCENV_PROFILE" -a "$root" = "$TASKCLUSTER_ROOT_URL"; or return 0
    string match -qr '^[0-9]+$' -- "$expires"; and string match -qr '^[0-9]+$' -- "$renew"; or return 0
    set __tcenv_tracked 1
    set -l now (__tcenv_now)
    test -n "$now"; or set now 0
    test $now -lt $expires; or return 0
    test "$__tcenv_token" = "$token"; or set __tcenv_reminded ''
    set -gx TASKCLUSTER_CLIENT_ID $client
    set -gx TASKCLUSTER_ACCESS_TOKEN $token
    set -gx TCENV_EXPIRES $expires
    set -e TASKCLUSTER_CERTIFICATE
    set __tcenv_token $token
    set __tcenv_renew $renew
    set __tcenv_seen $profile:$expires
end

function __tcenv_unload --argument-names why
    builtin printf 'tcenv: %s: %s; tcenv login signs in again\n' "$TCENV_PROFILE" "$why" >&2
    for name in TASKCLUSTER_ROOT_URL TASKCLUSTER_CLIENT_ID TASKCLUSTER_ACCESS_TOKEN TASKCLUSTER_CERTIFICATE \
        TCENV_PROFILE TCENV_EXPIRES
        set -e $name
    end
    set __tcenv_token ''
    set __tcenv_tracked ''
    set __tcenv_seen ''
end
