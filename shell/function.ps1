# Run by the alias `tcenv` of init.ps1. Only the `exit` of a script sets `$?`, `&&` and `||` correctly.
if ($global:__tcenv_probes) { return }
if ($MyInvocation.ExpectingInput) { $input | __tcenv_call $MyInvocation $args } else { __tcenv_call $MyInvocation $args }
exit $global:__tcenv_status
