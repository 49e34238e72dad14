# `tcenv shell` runs this after the user's own fish configuration: load the session, and mark the prompt.
if set -q __TCENV_LOAD
    # Do not show the token in a trace.
    set -l fish_trace
    echo $__TCENV_LOAD | source
    set -e __TCENV_LOAD
    set -e fish_trace
end
function __tcenv_status
    return $argv[1]
end
if not functions -q __tcenv_own_prompt
    functions -q fish_prompt; or function fish_prompt
        echo '> '
    end
    functions -c fish_prompt __tcenv_own_prompt
    function fish_prompt
        set -l code $status
        set -l profile (string match -r '^[A-Za-z0-9._@-]+\z' -- "$TCENV_PROFILE")
        test -n "$profile"; and set profile ":$profile"
        echo -n "(tcenv$profile) "
        # The user's prompt may show the status of the last command.
        __tcenv_status $code
        __tcenv_own_prompt
    end
end
