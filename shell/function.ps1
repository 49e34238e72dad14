# What the alias `tcenv` of init.ps1 runs. A script, because only a script's `exit` makes `$?`, `&&` and `||` right.
if ($global:__tcenv_probes) { return }
if ($MyInvocation.ExpectingInput) { $input | __tcenv_call $MyInvocation $args } else { __tcenv_call $MyInvocation $args }
exit $global:__tcenv_status
