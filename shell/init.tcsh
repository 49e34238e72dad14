# tcenv for tcsh. `tcenv init tcsh` prints one line, which names this folder and the program and sources this file. A
# start-up file may evaluate or keep that line. An alias holds only one line, so the files beside this one do the work.
unsetenv __tcenv_*

# --- function
if ( $?tcsh ) then
    if ( x$tcsh !~ x{6.2[1-9],6.[3-9]?,[7-9]}* ) /bin/sh -c 'echo "tcenv: tcsh older than 6.21 is not supported; this is $1." >&2' sh $tcsh
endif
# `source` gets the words that the user types, and the `>`, `|` and `&` after them.
alias tcenv 'source $__tcenv_shell:q/function.tcsh tcenv'

# --- hook
if ( ( $__tcenv_hook || $__tcenv_prompts ) && ! $?__tcenv_hooked ) then
    set __tcenv_hooked
    set __tcenv_seen = ''
    set __tcenv_file = ''
    set __tcenv_tried = ''
    set __tcenv_end = 0
    set __tcenv_shown = ''
    set __tcenv_own = ''
    set __tcenv_precmd = "`alias precmd`"
    # Save the status for the user's own precmd: `source` changes it.
    alias precmd 'set __tcenv_status = $status; source $__tcenv_shell:q/hook.tcsh;'" $__tcenv_precmd:q"
endif
