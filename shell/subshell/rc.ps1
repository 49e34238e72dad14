# `tcenv shell` runs this after the user's own PowerShell profile: load the session, and mark the prompt.
if ($Env:__TCENV_LOAD) {
    $Env:__TCENV_LOAD | ConvertFrom-Json | ForEach-Object { $_.PSObject.Properties } | ForEach-Object {
        if ($null -eq $_.Value) { Remove-Item -LiteralPath "Env:$($_.Name)" -ErrorAction Ignore }
        else { Set-Item -LiteralPath "Env:$($_.Name)" -Value $_.Value }
    }
    Remove-Item -LiteralPath Env:__TCENV_LOAD
}
$global:__tcenv_unmarked_prompt = ${function:global:prompt}
function global:prompt {
    $__tcenv_succeeded = $?
    $__tcenv_mark = if ("$Env:TCENV_PROFILE" -cmatch '^[A-Za-z0-9._@-]+\z') { "(tcenv:$Env:TCENV_PROFILE) " } else { '(tcenv) ' }
    Write-Host $__tcenv_mark -NoNewline
    if (-not $__tcenv_succeeded) { Write-Error '' -ErrorAction Ignore }
    & $global:__tcenv_unmarked_prompt
}
