# What the alias `tcenv` of init.tcsh does with __tcenv_words.
set __tcenv_applies = 0
if ( $#__tcenv_words > 0 ) then
    switch ( "$__tcenv_words[1]" )
        case login:
        case env:
        case logout:
            set __tcenv_applies = 1
            breaksw
    endsw
endif
foreach __tcenv_word ( $__tcenv_words:q )
    switch ( "$__tcenv_word" )
        case -h:
        case --help:
        case --shell*:
        case --format*:
            set __tcenv_applies = 0
            breaksw
    endsw
end
if ( $__tcenv_applies ) then
    eval `\tcenv $__tcenv_words:q --shell tcsh`
else
    \tcenv $__tcenv_words:q
endif
