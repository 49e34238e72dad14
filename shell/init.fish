# tcenv for fish: the function that applies login, signin, env and logout to this shell, and the prompt hook.

# --- function
set -gu __tcenv_program @PROGRAM@

# The program that the PATH finds, else the one that made this text; it is told that this function is there.
function __tcenv_run
    set -l function 1
    status is-interactive; and set function fish
    if command -sq tcenv
        __TCENV_FUNCTION=$function command tcenv $argv
    else
        __TCENV_FUNCTION=$function $__tcenv_program $argv
    end
end

function tcenv --description 'Taskcluster credentials for this shell'
    set -l evaluated 0
    switch "$argv[1]"
        case @EVALUATED@
            set evaluated 1
            for word in $argv
                switch $word
                    case -h --help --shell '--shell=*' --format '--format=*' --csh --check
                        set evaluated 0
                end
            end
    end
    if test $evaluated = 0
        __tcenv_run $argv
        return
    end
    if status is-command-substitution
        # Inside of (…) the text is what is wanted.
        __tcenv_run $argv --shell fish
        return
    end
    # A trace would show the token; erasing the local variable puts it back.
    set -l fish_trace
    set -l text (__tcenv_run $argv --shell fish)
    set -l code $status
    if test $code = 0
        builtin string join -- \n $text | source
        set code $status
    end
    set -e fish_trace
    return $code
end

# --- hook
# Where the stores keep their files (the first one, as long as XDG_RUNTIME_DIR is what it was), and which store is in use
# unless TCENV_STORE says so.
set -gu __tcenv_runtime @RUNTIME@
set -gu __tcenv_files @FILES@
set -gu __tcenv_store @STORE@
set -gu __tcenv_xdg @XDG@
# What this shell has loaded: as it was seen, its profile, root URL, token and file; whether that file is to be there, and has
# been read; whether the end was reminded of; and from when on to speak of the end, as the age of a file: fish tells no time,
# but it tells how old a file is. Nothing of it is inherited.
for name in seen profile root token file kept read reminded clock
    set -gu __tcenv_$name ''
end
# Later than any file is old: no end is known.
set -gu __tcenv_old 999999999999
set -gu __tcenv_dead 0

function __tcenv_hook --on-event fish_prompt
    set -q TCENV_PROFILE TASKCLUSTER_ACCESS_TOKEN; or return 0
    if set -q fish_trace; and not set -q argv[1]
        set -l fish_trace
        __tcenv_hook untraced
        set -e fish_trace
        return 0
    end
    if test "$TCENV_PROFILE $TCENV_EXPIRES $TCENV_STORE $TCENV_LOADED $TASKCLUSTER_ROOT_URL" != "$__tcenv_seen $__tcenv_root"
        # Loaded since the last prompt, or inherited.
        test "$TCENV_PROFILE $TCENV_EXPIRES $TCENV_STORE $TCENV_LOADED" = "$__tcenv_seen"; or __tcenv_adopt
        test -n "$__tcenv_profile"; and test "$TASKCLUSTER_ROOT_URL" = "$__tcenv_root"; or return 0
    end
    if test -n "$__tcenv_file" -a -z "$TASKCLUSTER_CERTIFICATE"
        # Read is what cannot hang; whose it is, is asked before it is believed.
        if test -f "$__tcenv_file" -a -r "$__tcenv_file"
            builtin read --local first <"$__tcenv_file"
            if test "$first $__tcenv_read $__tcenv_token" != "TASKCLUSTER_ACCESS_TOKEN=$TASKCLUSTER_ACCESS_TOKEN 1 $TASKCLUSTER_ACCESS_TOKEN"
                if test "$first" = "TASKCLUSTER_ACCESS_TOKEN=$TASKCLUSTER_ACCESS_TOKEN"
                    set __tcenv_token "$TASKCLUSTER_ACCESS_TOKEN"
                    set __tcenv_kept 1
                    test -n "$__tcenv_read"; or __tcenv_load
                else if test "$__tcenv_token" = "$TASKCLUSTER_ACCESS_TOKEN"
                    __tcenv_load
                end
            end
        else if test -n "$__tcenv_kept"; and test "$__tcenv_token" = "$TASKCLUSTER_ACCESS_TOKEN"
            and not test -e "$__tcenv_file"; and not test -L "$__tcenv_file"
            and __tcenv_ours (path dirname "$__tcenv_file")
            set -l age (path mtime --relative "$__tcenv_clock")
            if test -z "$age"; or test "$__tcenv_dead" -eq 0; or test "$age" -lt "$__tcenv_dead"
                __tcenv_unload 'signed out elsewhere'
                return 0
            end
        end
    end
    test "$__tcenv_token" = "$TASKCLUSTER_ACCESS_TOKEN"; or return 0
    # A pipe takes half of what (…) takes.
    builtin path mtime --relative "$__tcenv_clock" | builtin read --local age
    if test -n "$age"; and test "$age" -ge "$__tcenv_old"
        __tcenv_near_the_end $age
    end
end

# Note what is loaded, if it is what tcenv could have loaded: whoever set these variables is not known.
function __tcenv_adopt
    set __tcenv_seen "$TCENV_PROFILE $TCENV_EXPIRES $TCENV_STORE $TCENV_LOADED"
    set __tcenv_token "$TASKCLUSTER_ACCESS_TOKEN"
    for name in profile file kept read reminded
        set __tcenv_$name ''
    end
    set __tcenv_root ' none'
    set __tcenv_old 999999999999
    set __tcenv_dead 0
    string match -qr '^[A-Za-z0-9][A-Za-z0-9._@-]{0,127}\z' -- "$TCENV_PROFILE"; or return 0
    set __tcenv_profile "$TCENV_PROFILE"
    set __tcenv_root "$TASKCLUSTER_ROOT_URL"
    if test -n "$TCENV_LOADED"
        set -l words (string split ' ' -- "$TCENV_LOADED")
        set __tcenv_root "$words[1]"
        contains -- - $words; or set __tcenv_kept 1
    end
    if string match -qr '^[1-9][0-9]{0,14}\z' -- "$TCENV_EXPIRES"
        # Where there is no session's file, anything that is seldom touched tells the time.
        set __tcenv_clock (status fish-path)
        test -e "$__tcenv_clock"; or set __tcenv_clock /
        __tcenv_set_clock (math "$TCENV_EXPIRES - 600") $TCENV_EXPIRES
    end
    set -l store "$TCENV_STORE"
    test -n "$store"; or set store "$__tcenv_store"
    switch "$store"
        case auto runtime
            test "$XDG_RUNTIME_DIR" = "$__tcenv_xdg"; and set __tcenv_file "$__tcenv_runtime"
        case file
            set __tcenv_file "$__tcenv_files"
    end
    test -z "$__tcenv_file"; or set __tcenv_file "$__tcenv_file/$__tcenv_profile.session"
    return 0
end

# From the time `renew` on to remind, until the time `end`, by the age of the file __tcenv_clock.
function __tcenv_set_clock --argument-names renew over
    set -l born (path mtime "$__tcenv_clock")
    set __tcenv_old (math "$renew - $born")
    set __tcenv_dead (math "$over - $born")
end

function __tcenv_near_the_end --argument-names age
    if test $age -ge "$__tcenv_dead"
        __tcenv_unload 'the session has expired'
    else if test -z "$__tcenv_reminded"
        set __tcenv_reminded 1
        set -l left (math --scale=0 "($__tcenv_dead - $age) / 60")
        builtin printf 'tcenv: %s ends in %d min; tcenv login %s --reset renews it\n' "$__tcenv_profile" $left "$__tcenv_profile" >&2
    end
end

# Whether what is at the path is this user's own, and no link.
function __tcenv_ours --argument-names place
    test -O "$place"; and not test -L "$place"
end

# Load the session from its file, if it is whole, live, and of this shell's deployment.
function __tcenv_load
    __tcenv_ours (path dirname "$__tcenv_file"); and __tcenv_ours "$__tcenv_file"; or return 0
    set -l names TASKCLUSTER_ROOT_URL TASKCLUSTER_CLIENT_ID TASKCLUSTER_ACCESS_TOKEN TCENV_PROFILE TCENV_EXPIRES RENEW END STATE
    set -l field_STATE ''
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
    # Being reset, or ended: not to be trusted as it is.
    test -z "$field_STATE"; or return 0
    test "$field_END" = tcenv-session-1; and test "$field_TCENV_PROFILE" = "$__tcenv_profile"
    and test "$field_TASKCLUSTER_ROOT_URL" = "$__tcenv_root"; or return 0
    string match -qr '^[1-9][0-9]{0,14}\z' -- "$field_TCENV_EXPIRES"
    and string match -qr '^[1-9][0-9]{0,14}\z' -- "$field_RENEW"; or return 0
    set __tcenv_read 1
    set __tcenv_kept 1
    set -l left (math "$field_TCENV_EXPIRES - "(path mtime "$__tcenv_file")" - "(path mtime --relative "$__tcenv_file"))
    test $left -gt 0; or return 0
    if test "$__tcenv_token" != "$field_TASKCLUSTER_ACCESS_TOKEN"
        set __tcenv_reminded ''
        set -gx TASKCLUSTER_CLIENT_ID $field_TASKCLUSTER_CLIENT_ID
        set -gx TASKCLUSTER_ACCESS_TOKEN $field_TASKCLUSTER_ACCESS_TOKEN
        set -gx TCENV_EXPIRES $field_TCENV_EXPIRES
        set -q TASKCLUSTER_CERTIFICATE; and set -e TASKCLUSTER_CERTIFICATE
        set __tcenv_token $TASKCLUSTER_ACCESS_TOKEN
        set __tcenv_seen "$TCENV_PROFILE $TCENV_EXPIRES $TCENV_STORE $TCENV_LOADED"
    end
    set __tcenv_clock "$__tcenv_file"
    __tcenv_set_clock $field_RENEW $field_TCENV_EXPIRES
end

# Take away what was loaded; the root URL becomes what it was before that.
function __tcenv_unload --argument-names why
    builtin printf 'tcenv: %s: %s; tcenv login %s signs in again\n' "$__tcenv_profile" "$why" "$__tcenv_profile" >&2
    set -l before ''
    string match -q -- '* *' "$TCENV_LOADED"; and set before (string split ' ' -- "$TCENV_LOADED")[-1]
    for name in TASKCLUSTER_ROOT_URL TASKCLUSTER_CLIENT_ID TASKCLUSTER_ACCESS_TOKEN TASKCLUSTER_CERTIFICATE \
            TCENV_PROFILE TCENV_EXPIRES TCENV_LOADED
        set -e $name
    end
    string match -qr '^[A-Za-z0-9:/._~%@+[\]-]{2,}\z' -- "$before"; and set -gx TASKCLUSTER_ROOT_URL "$before"
    set __tcenv_token ''
    set __tcenv_profile ''
    set __tcenv_seen ''
    set __tcenv_kept ''
end

# --- prompt
# The profile that is loaded, in front of the user's own prompt; a subshell of tcenv has its own mark.
function __tcenv_status
    return $argv[1]
end
if not set -q TCENV_SUBSHELL; and not functions -q __tcenv_own_prompt
    functions -q fish_prompt; or function fish_prompt
        echo '> '
    end
    functions -c fish_prompt __tcenv_own_prompt
    function fish_prompt
        set -l code $status
        set -l profile (string match -r '^[A-Za-z0-9._@-]+\z' -- "$TCENV_PROFILE")
        test -n "$profile"; and echo -n "(tcenv:$profile) "
        # The user's prompt may show the status of the last command.
        __tcenv_status $code
        __tcenv_own_prompt
    end
end
