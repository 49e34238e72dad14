# Run by `precmd` of init.tcsh before each prompt. Compare what is loaded with the time at which the session's file
# changed and with the clock. If they differ, the program decides. tcsh cannot read a file without a process. Its clock
# is the terminal's modification time, which the kernel updates at each output. (Values from outside follow an x, so
# that tcsh reads none as an operator. An `if` on one line needs all its variables to exist, whatever its condition
# says.)
if ( $?echo ) set __tcenv_echo
if ( $?verbose ) set __tcenv_verbose
unset echo verbose
if ( $__tcenv_hook && $?TCENV_LOADED && ! $?TCENV_PROXY ) then
    set __tcenv_expires = ''
    if ( $?TCENV_EXPIRES ) then
        set __tcenv_expires = $TCENV_EXPIRES:q
    endif
    if ( x"${TCENV_LOADED:q} $__tcenv_expires:q" != x${__tcenv_seen:q} ) then
        # Split TCENV_LOADED into profile, root URL, generation, file, and the choice before tcenv loaded anything.
        set __tcenv_seen = "${TCENV_LOADED:q} $__tcenv_expires:q"
        set __tcenv_words = ( $TCENV_LOADED:x )
        @ __tcenv_count = $#__tcenv_words - 1
        set __tcenv_file = ''
        if ( $__tcenv_count >= 4 ) set __tcenv_file = "$__tcenv_words[4-$__tcenv_count]"
        # Ask the program once about a file, since nothing is known of it yet.
        set __tcenv_tried = 'none 0 0'
        if ( x${__tcenv_file:q} =~ x/* ) set __tcenv_tried = ''
        set __tcenv_end = 0
        if ( x${__tcenv_expires:q} =~ x[1-9][0-9]* && x${__tcenv_expires:q} !~ x*[^0-9]* ) set __tcenv_end = $__tcenv_expires:q
    endif
    set __tcenv_time = none
    if ( x${__tcenv_file:q} =~ x/* ) then
        if ( -f $__tcenv_file:q && -r $__tcenv_file:q ) then
            # The time has whole seconds. A file that replaces another has another inode number.
            @ __tcenv_time = ( -M $__tcenv_file:q )
            @ __tcenv_number = ( -I $__tcenv_file:q )
            set __tcenv_time = $__tcenv_time.$__tcenv_number
        endif
    endif
    set __tcenv_now = 0
    if ( $?tty ) then
        if ( -e /dev/$tty:q ) @ __tcenv_now = ( -M /dev/$tty:q )
    endif
    @ __tcenv_soon = ( $__tcenv_end > 0 && $__tcenv_now >= $__tcenv_end - 600 )
    @ __tcenv_over = ( $__tcenv_end > 0 && $__tcenv_now >= $__tcenv_end )
    if ( "$__tcenv_time $__tcenv_soon $__tcenv_over" != "$__tcenv_tried" ) then
        set __tcenv_tried = "$__tcenv_time $__tcenv_soon $__tcenv_over"
        unset __tcenv_failed
        if ( -x $__tcenv_made:q ) then
            eval `env __TCENV_FUNCTION=1 $__tcenv_made:q hook tcsh || echo set __tcenv_failed`
        else
            set __tcenv_failed
        endif
        if ( $?__tcenv_failed && $__tcenv_over ) then
            # If the program cannot run, unload the session when it has ended.
            /bin/sh -c 'printf "tcenv: the session of %s has expired\n" "$1" >&2' sh $__tcenv_words[1]:q
            set __tcenv_chosen = "$__tcenv_words[$#__tcenv_words]"
            unsetenv $__tcenv_variables
            # A root URL, or PROFILE=ROOT_URL. `-` stands for none.
            set __tcenv_words = ( ${__tcenv_chosen:s/=/ /:x} )
            if ( $#__tcenv_words > 1 ) setenv TCENV_PROFILE $__tcenv_words[1]:q
            if ( x$__tcenv_words[$#__tcenv_words]:q != x- ) setenv TASKCLUSTER_ROOT_URL $__tcenv_words[$#__tcenv_words]:q
        endif
    endif
endif
if ( $__tcenv_prompts && $?prompt ) then
    # Show the loaded profile in front of the user's own prompt, which may have been set again.
    set __tcenv_mark = ''
    if ( $?TCENV_PROFILE && $?TCENV_LOADED ) then
        if ( x${TCENV_PROFILE:q} !~ x*[^A-Za-z0-9._@-]* ) set __tcenv_mark = "(tcenv:$TCENV_PROFILE) "
    endif
    if ( x${prompt:q} != x${__tcenv_shown:q} ) set __tcenv_own = $prompt:q
    set __tcenv_shown = ${__tcenv_mark:q}${__tcenv_own:q}
    set prompt = $__tcenv_shown:q
endif
if ( $?__tcenv_verbose ) set verbose
if ( $?__tcenv_echo ) set echo
unset __tcenv_echo __tcenv_verbose
# Restore the status for the user's own precmd, which runs next.
set status = $__tcenv_status
