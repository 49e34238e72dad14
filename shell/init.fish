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
# What this shell has loaded, by profile and end; its token; the session's file; and from when on to speak of the end, as the
# age of that file: fish tells no time, but it tells how old a file is.
for name in seen token file reminded
    set -q __tcenv_$name; or set -g __tcenv_$name ''
end
for name in old dead
    set -q __tcenv_$name; or set -g __tcenv_$name 0
end

function __tcenv_hook --on-event fish_prompt
    set -q TCENV_PROFILE; and set -q TASKCLUSTER_ACCESS_TOKEN; or return 0
    if test "$TCENV_PROFILE:$TCENV_EXPIRES" != "$__tcenv_seen"
        __tcenv_adopt; or return 0
    end
    if test -z "$TASKCLUSTER_CERTIFICATE"
        set -l first ''
        if test -r "$__tcenv_file"; and builtin read first <"$__tcenv_file"
            if test "$first" != "TASKCLUSTER_ACCESS_TOKEN=$TASKCLUSTER_ACCESS_TOKEN"
                if test "$__tcenv_token" = "$TASKCLUSTER_ACCESS_TOKEN"
                    __tcenv_load
                end
            else if test "$__tcenv_token" != "$TASKCLUSTER_ACCESS_TOKEN"
                __tcenv_adopt; or return 0
            end
        else if test "$__tcenv_clock" = "$__tcenv_file" -a "$__tcenv_token" = "$TASKCLUSTER_ACCESS_TOKEN"
            __tcenv_unload 'signed out elsewhere'
            return 0
        end
    end
    test "$__tcenv_token" = "$TASKCLUSTER_ACCESS_TOKEN"; or return 0
    set -l age (path mtime --relative "$__tcenv_clock")
    if test "$age" -ge "$__tcenv_old"
        __tcenv_near_the_end $age
    end
    return 0
end

# Note what has been loaded since the last prompt, or was inherited. Fails where TCENV_EXPIRES is no number.
function __tcenv_adopt
    set __tcenv_seen "$TCENV_PROFILE:$TCENV_EXPIRES"
    set __tcenv_token "$TASKCLUSTER_ACCESS_TOKEN"
    set __tcenv_reminded ''
    set __tcenv_file "$XDG_RUNTIME_DIR/tcenv/$TCENV_PROFILE.session"
    set -g __tcenv_clock /
    string match -qr '^[0-9]+$' -- "$TCENV_EXPIRES"; or return 1
    __tcenv_set_clock (math "$TCENV_EXPIRES - 600")
    if test -z "$TASKCLUSTER_CERTIFICATE" -a -r "$__tcenv_file"
        __tcenv_load
    end
    return 0
end

# From the time `renew` on to remind, by the age of the file __tcenv_clock.
function __tcenv_set_clock --argument-names renew
    set -l born (path mtime "$__tcenv_clock")
    set __tcenv_old (math "$renew - $born")
    set __tcenv_dead (math "$TCENV_EXPIRES - $born")
end

function __tcenv_near_the_end --argument-names age
    if test $age -ge "$__tcenv_dead"
        __tcenv_unload 'the session has expired'
    else if test -z "$__tcenv_reminded"
        set __tcenv_reminded 1
        set -l left (math --scale=0 "($__tcenv_dead - $age) / 60")
        builtin printf 'tcenv: %s ends in %d min; tcenv login --reset renews it\n' "$TCENV_PROFILE" $left >&2
    end
end

# Load the session from its file, if it is whole, live, and of this shell's deployment.
function __tcenv_load
    set -l names TASKCLUSTER_ROOT_URL TASKCLUSTER_CLIENT_ID TASKCLUSTER_ACCESS_TOKEN TCENV_PROFILE TCENV_EXPIRES RENEW END
    set -l field_TASKCLUSTER_ROOT_URL ''
    set -l field_TASKCLUSTER_CLIENT_ID ''
    set -l field_TASKCLUSTER_ACCESS_TOKEN ''
    set -l field_TCENV_PROFILE ''
    set -l field_TCENV_EXPIRES ''
    set -l field_RENEW ''
    set -l field_END ''
    while builtin read --delimiter = key value
        contains -- "$key" $names; and set field_$key "$value"
    end <"$__tcenv_file"
    test "$field_END" = tcenv-session-1 -a "$field_TCENV_PROFILE" = "$TCENV_PROFILE" \
        -a "$field_TASKCLUSTER_ROOT_URL" = "$TASKCLUSTER_ROOT_URL"; or return 0
    string match -qr '^[0-9]+$' -- "$field_TCENV_EXPIRES"; and string match -qr '^[0-9]+$' -- "$field_RENEW"; or return 0
    set -l left (math "$field_TCENV_EXPIRES - "(path mtime "$__tcenv_file")" - "(path mtime --relative "$__tcenv_file"))
    test $left -gt 0; or return 0
    if test "$__tcenv_token" != "$field_TASKCLUSTER_ACCESS_TOKEN"
        set __tcenv_reminded ''
        set -gx TASKCLUSTER_CLIENT_ID $field_TASKCLUSTER_CLIENT_ID
        set -gx TASKCLUSTER_ACCESS_TOKEN $field_TASKCLUSTER_ACCESS_TOKEN
        set -gx TCENV_EXPIRES $field_TCENV_EXPIRES
        set -q TASKCLUSTER_CERTIFICATE; and set -e TASKCLUSTER_CERTIFICATE
        set __tcenv_token $TASKCLUSTER_ACCESS_TOKEN
        set __tcenv_seen "$TCENV_PROFILE:$TCENV_EXPIRES"
    end
    set __tcenv_clock "$__tcenv_file"
    __tcenv_set_clock $field_RENEW
end

function __tcenv_unload --argument-names why
    builtin printf 'tcenv: %s: %s; tcenv login signs in again\n' "$TCENV_PROFILE" "$why" >&2
    for name in TASKCLUSTER_ROOT_URL TASKCLUSTER_CLIENT_ID TASKCLUSTER_ACCESS_TOKEN TASKCLUSTER_CERTIFICATE \
            TCENV_PROFILE TCENV_EXPIRES
        set -e $name
    end
    set __tcenv_token ''
    set __tcenv_seen ''
end
