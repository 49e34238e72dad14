# tcenv for fish: the function that applies login, signin, env and logout to this shell, and the prompt hook.

# --- function
# `path` came with fish 3.5. An older fish refuses the whole text if it says `builtin path`, so a variable holds the name.
set -gu __tcenv_path path
contains path (builtin --names); or echo "@TOO_OLD@; this is $FISH_VERSION." >&2

set -gu __tcenv_program @PROGRAM@

# Run the program that PATH finds, else the one that printed this text. __TCENV_FUNCTION tells it about this function.
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
        # Inside (…), print the text instead of evaluating it.
        __tcenv_run $argv[1] --shell fish $argv[2..]
        return
    end
    # Do not trace while handling a token. Tracing is back when the local variable is erased.
    set -l fish_trace
    set -l text (__tcenv_run $argv[1] --shell fish $argv[2..])
    set -l code $status
    if test $code = 0
        builtin string join -- \n $text | source
        set code $status
    end
    set -e fish_trace
    return $code
end

# --- hook
# At each prompt, compare what is loaded with the first line of the session's file and with the time. If they differ,
# the program decides. fish cannot tell the time, but it can tell a file's age. So the end is an age of the file __tcenv_clock.
# Child processes inherit none of these variables.
for name in seen file first tried clock soon end
    set -gu __tcenv_$name ''
end

function __tcenv_hook --on-event fish_prompt
    set -q TCENV_LOADED; and not set -q TCENV_PROXY; or return 0
    test "$TCENV_LOADED $TCENV_EXPIRES" = "$__tcenv_seen"; or __tcenv_adopt
    set -l line
    # Read only a regular file: any other could block.
    test -f "$__tcenv_file" -a -r "$__tcenv_file"; and builtin read line <"$__tcenv_file"
    # A pipe takes half the time of (…).
    builtin $__tcenv_path mtime --relative "$__tcenv_clock" | builtin read --local age
    test -n "$age"; or set age -999999999999
    test "$age" -lt "$__tcenv_soon" -a "$line" = "$__tcenv_first"; or __tcenv_reload $age "$line"
end

# Split TCENV_LOADED into profile, root URL, generation, file, and the choice before tcenv loaded anything.
function __tcenv_adopt
    set __tcenv_seen "$TCENV_LOADED $TCENV_EXPIRES"
    set -l words (string split ' ' -- "$TCENV_LOADED")
    set __tcenv_file (string join ' ' -- $words[4..-2])
    set __tcenv_first ''
    string match -q '/*' -- "$__tcenv_file"; and set __tcenv_first "GENERATION=$words[3]"
    # Any file that seldom changes can serve as the clock.
    set __tcenv_clock (status fish-path)
    test -e "$__tcenv_clock"; or set __tcenv_clock /
    set -l end (string match -r '^[1-9][0-9]{0,14}\z' -- "$TCENV_EXPIRES"; or echo 999999999999)
    set __tcenv_end (math "$end - "(builtin $__tcenv_path mtime "$__tcenv_clock"))
    set __tcenv_soon (math "$__tcenv_end - 600")
end

function __tcenv_reload --argument-names age line
    # Do not trace while handling a token. Tracing is back when the local variable is erased.
    set -l fish_trace
    set -l over (test "$age" -ge "$__tcenv_end"; echo $status)
    set -l text "$__tcenv_seen "(test "$age" -ge "$__tcenv_soon"; echo $status)" $over $line"
    test "$text" != "$__tcenv_tried"; or return 0
    set __tcenv_tried "$text"
    if test -x "$__tcenv_program"; and set text (__TCENV_FUNCTION=1 $__tcenv_program hook fish)
        builtin string join -- \n $text | source
    else if test $over = 0
        # If the program cannot run, unload the session when it has ended.
        set -l words (string split ' ' -- "$TCENV_LOADED")
        builtin printf 'tcenv: the session of %s has expired\n' "$words[1]" >&2
        for name in @VARIABLES@
            set -e $name
        end
        set -l before (string split -r -m 1 = -- "$words[-1]")
        test (count $before) = 2; and set -gx TCENV_PROFILE "$before[1]"
        test "$before[-1]" != -; and set -gx TASKCLUSTER_ROOT_URL "$before[-1]"
    end
    test "$TCENV_LOADED $TCENV_EXPIRES" = "$__tcenv_seen"; or set __tcenv_tried ''
    set -e fish_trace
end

contains path (builtin --names); or functions --erase __tcenv_hook

# --- prompt
# Show the loaded profile in front of the user's own prompt. A subshell of tcenv has its own mark.
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
        test -n "$TCENV_LOADED" -a -n "$profile"; and echo -n "(tcenv:$profile) "
        # The user's prompt may show the status of the last command.
        __tcenv_status $code
        __tcenv_own_prompt
    end
end
