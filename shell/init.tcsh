# tcenv for tcsh: the alias that applies login, env and logout to this shell, and the prompt hook. An alias holds one line, so
# the work is done by files beside this one; @SHELL_FILES@ is their folder.

# --- function
alias tcenv 'set __tcenv_words = (\!*); source @SHELL_FILES@/function.tcsh'

# --- hook
# tcsh can neither read a file nor the clock without a process: the hook goes by the time at which the session's file changed,
# and says nothing about the end of a session.
if ( ! $?__tcenv_hooked ) then
    set __tcenv_hooked
    set __tcenv_precmd = "`alias precmd`"
    alias precmd "source @SHELL_FILES@/hook.tcsh; $__tcenv_precmd:q"
endif
