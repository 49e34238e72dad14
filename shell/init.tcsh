# tcenv for tcsh. What `tcenv init tcsh` prints is one line, which tells this folder and the program, and sources
# this: a start-up file may evaluate it or keep it. An alias holds one line, so the work is done by files beside this one.
unsetenv __tcenv_*

# --- function
# The words that are typed are those of `source`, and so are `>`, `|` and `&` behind them.
alias tcenv 'source $__tcenv_shell:q/function.tcsh tcenv'

# --- hook
if ( ( $__tcenv_hook || $__tcenv_prompts ) && ! $?__tcenv_hooked ) then
    set __tcenv_hooked
    set __tcenv_seen = ''
    set __tcenv_file = ''
    set __tcenv_changed = ''
    set __tcenv_moment = 0
    set __tcenv_end = 0
    set __tcenv_shown = ''
    set __tcenv_own = ''
    set __tcenv_precmd = "`alias precmd`"
    # `source` itself takes the status away, which is the user's precmd's.
    alias precmd 'set __tcenv_status = $status; source $__tcenv_shell:q/hook.tcsh;'" $__tcenv_precmd:q"
endif
