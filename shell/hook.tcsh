# What `precmd` of init.tcsh does before each prompt. Only builtins, unless the session's file has changed.
if ( $?TCENV_PROFILE && $?TASKCLUSTER_ACCESS_TOKEN && $?XDG_RUNTIME_DIR && ! $?TASKCLUSTER_CERTIFICATE ) then
    set __tcenv_file = "$XDG_RUNTIME_DIR/tcenv/${TCENV_PROFILE}.session"
    if ( -r "$__tcenv_file" ) then
        # The time is in whole seconds; a file that replaces another has another number.
        @ __tcenv_time = ( -M "$__tcenv_file" )
        @ __tcenv_number = ( -I "$__tcenv_file" )
        set __tcenv_changed = "${__tcenv_time}.${__tcenv_number}"
        if ( ! $?__tcenv_loaded ) set __tcenv_loaded = "${TCENV_PROFILE}:0"
        if ( "$__tcenv_loaded" != "${TCENV_PROFILE}:${__tcenv_changed}" ) then
            if ( ! $?__tcenv_token ) set __tcenv_token = "$TASKCLUSTER_ACCESS_TOKEN"
            if ( "$__tcenv_token" == "$TASKCLUSTER_ACCESS_TOKEN" || "$__tcenv_loaded" !~ "${TCENV_PROFILE}:*" ) then
                eval `\tcenv env "$TCENV_PROFILE" --shell tcsh`
                set __tcenv_token = "$TASKCLUSTER_ACCESS_TOKEN"
            endif
            set __tcenv_loaded = "${TCENV_PROFILE}:${__tcenv_changed}"
        endif
    else if ( $?__tcenv_loaded && $?__tcenv_token ) then
        if ( "$__tcenv_token" == "$TASKCLUSTER_ACCESS_TOKEN" && "$__tcenv_loaded" =~ "${TCENV_PROFILE}:*" ) then
            echo "tcenv: ${TCENV_PROFILE}: signed out elsewhere; tcenv login signs in again" > /dev/stderr
            unsetenv TASKCLUSTER_ROOT_URL
            unsetenv TASKCLUSTER_CLIENT_ID
            unsetenv TASKCLUSTER_ACCESS_TOKEN
            unsetenv TCENV_PROFILE
            unsetenv TCENV_EXPIRES
            unset __tcenv_loaded __tcenv_token
        endif
    endif
endif
