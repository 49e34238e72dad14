# Choose the program that the alias and the hook of init.tcsh start: the one that PATH finds, else the one that printed
# the text of `tcenv init`.
set __tcenv_run = $__tcenv_made:q
foreach __tcenv_word ( $path:q )
    if ( -f ${__tcenv_word:q}/tcenv && -x ${__tcenv_word:q}/tcenv ) then
        set __tcenv_run = tcenv
        break
    endif
end
