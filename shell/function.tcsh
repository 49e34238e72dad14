# Run by the alias `tcenv` of init.tcsh. Its own name is the first word: without any word, argv would be the user's.
set __tcenv_words = ( $argv[2-]:q )
source $__tcenv_shell:q/program.tcsh
set __tcenv_applies = 0
if ( $#__tcenv_words > 0 ) then
    foreach __tcenv_word ( $__tcenv_evaluated )
        if ( $__tcenv_words[1]:q == $__tcenv_word ) set __tcenv_applies = 1
    end
endif
foreach __tcenv_word ( $__tcenv_words:q )
    switch ( $__tcenv_word:q )
        case -h:
        case --help:
        case --csh:
        case --check:
        case --shell*:
        case --format*:
            set __tcenv_applies = 0
            breaksw
    endsw
end
if ( $__tcenv_applies ) then
    # Do not show the token in a trace. If Ctrl-C interrupts this, the hook turns tracing on again.
    if ( $?echo ) set __tcenv_echo
    if ( $?verbose ) set __tcenv_verbose
    unset echo verbose
    eval `env __TCENV_FUNCTION=1 $__tcenv_run:q $__tcenv_words[1]:q --shell tcsh $__tcenv_words[2-]:q`
    set __tcenv_status = $status
    if ( $?__tcenv_verbose ) set verbose
    if ( $?__tcenv_echo ) set echo
    unset __tcenv_echo __tcenv_verbose
else
    # Tell the program that the alias runs it.
    env __TCENV_FUNCTION=1 $__tcenv_run:q $__tcenv_words:q
    set __tcenv_status = $status
endif
# Set the status after the last `endif`, which would change it.
set status = $__tcenv_status
