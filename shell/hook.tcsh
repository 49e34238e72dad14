# What `precmd` of init.tcsh does before each prompt. Only builtins, unless the session's file has changed. Whoever set the
# variables is not known: their values stand behind an x, so that none is an operator. (An `if` of one line would want its
# variables to be there, whatever its condition says.)
if ( $?echo ) set __tcenv_echo
if ( $?verbose ) set __tcenv_verbose
unset echo verbose
if ( $__tcenv_hook && $?TCENV_PROFILE && $?TASKCLUSTER_ACCESS_TOKEN && $?TASKCLUSTER_ROOT_URL && ! $?TASKCLUSTER_CERTIFICATE ) then
    set __tcenv_loaded = ( )
    set __tcenv_expires = ''
    set __tcenv_here = ''
    set __tcenv_use = $__tcenv_store:q
    set __tcenv_folder = ''
    if ( $?TCENV_LOADED ) then
        set __tcenv_loaded = ( $TCENV_LOADED:x )
    endif
    if ( $?TCENV_EXPIRES ) then
        set __tcenv_expires = $TCENV_EXPIRES:q
    endif
    if ( $?XDG_RUNTIME_DIR ) then
        set __tcenv_here = $XDG_RUNTIME_DIR:q
    endif
    if ( $?TCENV_STORE ) then
        if ( x${TCENV_STORE:q} != x ) set __tcenv_use = $TCENV_STORE:q
    endif
    switch ( $__tcenv_use:q )
        case auto:
        case runtime:
            if ( x${__tcenv_here:q} == x${__tcenv_xdg:q} ) set __tcenv_folder = $__tcenv_runtime:q
            breaksw
        case file:
            set __tcenv_folder = $__tcenv_files:q
            breaksw
    endsw
    if ( x${TCENV_PROFILE:q} !~ x[A-Za-z0-9]* || x${TCENV_PROFILE:q} =~ x*[^A-Za-z0-9._@-]* ) set __tcenv_folder = ''
    if ( $#__tcenv_loaded > 0 ) then
        # Another deployment may have been chosen since.
        if ( x$__tcenv_loaded[1]:q != x${TASKCLUSTER_ROOT_URL:q} ) set __tcenv_folder = ''
    endif
    if ( x${__tcenv_folder:q} == x ) then
    else if ( -d $__tcenv_folder:q && -o $__tcenv_folder:q && ! -l $__tcenv_folder:q ) then
        set __tcenv_file = ${__tcenv_folder:q}/${TCENV_PROFILE:q}.session
        set __tcenv_key = ${TCENV_PROFILE:q}:${__tcenv_expires:q}:$#__tcenv_loaded
        if ( x${__tcenv_key:q} != x${__tcenv_seen:q} ) then
            # Loaded since the last prompt, or inherited.
            set __tcenv_seen = $__tcenv_key:q
            set __tcenv_token = $TASKCLUSTER_ACCESS_TOKEN:q
            set __tcenv_changed = ''
            @ __tcenv_kept = ( $#__tcenv_loaded > 0 )
            foreach __tcenv_word ( $__tcenv_loaded:q )
                if ( x${__tcenv_word:q} == x- ) set __tcenv_kept = 0
            end
        endif
        if ( x${__tcenv_token:q} != x${TASKCLUSTER_ACCESS_TOKEN:q} ) then
        else if ( -f $__tcenv_file:q && -o $__tcenv_file:q && ! -l $__tcenv_file:q && -r $__tcenv_file:q ) then
            # The time is in whole seconds; a file that replaces another has another number.
            @ __tcenv_time = ( -M $__tcenv_file:q )
            @ __tcenv_number = ( -I $__tcenv_file:q )
            if ( "$__tcenv_changed" != "$__tcenv_time.$__tcenv_number" ) then
                set __tcenv_changed = "$__tcenv_time.$__tcenv_number"
                source $__tcenv_shell:q/program.tcsh
                eval `$__tcenv_run:q env $TCENV_PROFILE:q --shell tcsh`
                set __tcenv_expires = ''
                if ( $?TCENV_EXPIRES ) then
                    set __tcenv_expires = $TCENV_EXPIRES:q
                endif
                if ( $?TCENV_LOADED ) then
                    set __tcenv_loaded = ( $TCENV_LOADED:x )
                endif
                set __tcenv_seen = ${TCENV_PROFILE:q}:${__tcenv_expires:q}:$#__tcenv_loaded
                set __tcenv_token = $TASKCLUSTER_ACCESS_TOKEN:q
                set __tcenv_kept = 1
            endif
        else if ( $__tcenv_kept && ! -e $__tcenv_file:q && ! -l $__tcenv_file:q ) then
            # Standard error cannot always be opened by its name.
            /bin/sh -c 'printf "tcenv: %s: signed out elsewhere; tcenv login %s signs in again\n" "$1" "$1" >&2' sh $TCENV_PROFILE:q
            unsetenv TASKCLUSTER_ROOT_URL
            unsetenv TASKCLUSTER_CLIENT_ID
            unsetenv TASKCLUSTER_ACCESS_TOKEN
            unsetenv TCENV_PROFILE
            unsetenv TCENV_EXPIRES
            unsetenv TCENV_LOADED
            # The root URL becomes what it was before it was loaded.
            if ( $#__tcenv_loaded > 1 ) then
                if ( x$__tcenv_loaded[$#__tcenv_loaded]:q != x- ) setenv TASKCLUSTER_ROOT_URL $__tcenv_loaded[$#__tcenv_loaded]:q
            endif
            set __tcenv_seen = ''
            set __tcenv_token = ''
        endif
    endif
endif
if ( $__tcenv_prompts && $?prompt ) then
    # The profile that is loaded, in front of the user's own prompt, which may have been made anew.
    set __tcenv_mark = ''
    if ( $?TCENV_PROFILE ) then
        if ( x${TCENV_PROFILE:q} !~ x*[^A-Za-z0-9._@-]* ) set __tcenv_mark = "(tcenv:$TCENV_PROFILE) "
    endif
    if ( x${prompt:q} != x${__tcenv_shown:q} ) set __tcenv_own = $prompt:q
    set __tcenv_shown = ${__tcenv_mark:q}${__tcenv_own:q}
    set prompt = $__tcenv_shown:q
endif
if ( $?__tcenv_verbose ) set verbose
if ( $?__tcenv_echo ) set echo
unset __tcenv_echo __tcenv_verbose
