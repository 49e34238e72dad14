# What `tcenv shell` has fish do after the user's own configuration: the session, and the mark in the prompt.
if set -q __TCENV_LOAD
    echo $__TCENV_LOAD | source
    set -e __TCENV_LOAD
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
        echo -n "(tcenv:$TCENV_SUBSHELL) "
        # The user's prompt may show the status of the last command.
        __tcenv_status $code
        __tcenv_own_prompt
    end
end
