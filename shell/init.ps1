# tcenv for PowerShell 5.1 and newer: the command that applies login, signin, env and logout to this shell, and the
# prompt hook. All of it is global, since users load it inside functions. It works in strict mode and in constrained
# language.

# --- function
if ($PSVersionTable.PSVersion.Major -lt 5) { Write-Warning "@TOO_OLD@; this is $($PSVersionTable.PSVersion)." }
$global:__tcenv_program = @PROGRAM@
$global:__tcenv_found = $null
$global:__tcenv_found_in = $null
$global:__tcenv_status = 0
$global:__tcenv_hooks = $false
$global:__tcenv_marks = $false

# Find the program on PATH, else use the one that printed this text. The lookup takes 10 ms, so remember its result for
# this PATH.
function global:__tcenv_find {
    if ("$Env:PATH" -cne $global:__tcenv_found_in) {
        $found = Get-Command tcenv -CommandType Application -ErrorAction Ignore | Select-Object -First 1
        $global:__tcenv_found = if ($found) { $found.Source } else { $global:__tcenv_program }
        $global:__tcenv_found_in = "$Env:PATH"
    }
    $global:__tcenv_found
}

# Restore the words of a call as the program would get them. PowerShell removes the first `--` for functions and
# scripts, passes `a,b` as an array, and passes `-a:b` as two words.
function global:__tcenv_words($call, $words) {
    $dashes = -1
    $lists = @()
    $pairs = @()
    try {
        $text = if ($call.Statement) { $call.Statement } else { $call.Line.Substring($call.OffsetInLine - 1) }
        $tree = [Management.Automation.Language.Parser]::ParseInput($text, [ref] $null, [ref] $null)
        $command = $tree.Find({ $args[0] -is [Management.Automation.Language.CommandAst] }, $true)
        $count = 0
        foreach ($element in @($command.CommandElements | Select-Object -Skip 1)) {
            if ($element.Splatted) { break }
            if ($dashes -lt 0 -and $element.Extent.Text -ceq '--') { $dashes = $count; continue }
            if ($element -is [Management.Automation.Language.ArrayLiteralAst]) { $lists += $count }
            if ($element -is [Management.Automation.Language.CommandParameterAst] -and $element.Argument) {
                if ($element.Extent.Text -notmatch ':\s') { $pairs += $count }
                $count++
            }
            $count++
        }
    }
    catch {
        # Constrained language has no parser.
        if ("$($words[0])" -in 'exec', 'ssh' -and $words -cnotcontains '--') {
            Write-Warning "tcenv: PowerShell removes a bare -- here. Write it in quotes: tcenv $($words[0]) '--' ..."
        }
    }
    for ($at = 0; $at -lt $words.Count; $at++) {
        if ($at -eq $dashes) { '--' }
        # `-join` keeps a number as it was typed, like 1d or 0x10.
        if ($at -in $pairs) { $words[$at] + (, $words[++$at] -join '') }
        elseif ($at -in $lists) { $words[$at] -join ',' }
        else { foreach ($word in $words[$at]) { if ($null -ne $word) { , $word -join '' } } }
    }
    if ($dashes -ge $words.Count) { '--' }
}

# Set and remove variables from the same data that nushell reads. Statements would appear in traces and in script block
# logs.
filter global:__tcenv_apply {
    if ($null -eq $_.Value) { Remove-Item -LiteralPath "Env:$($_.Name)" -ErrorAction Ignore }
    else { Set-Item -LiteralPath "Env:$($_.Name)" -Value $_.Value }
}
$global:__tcenv_json = 'ConvertFrom-Json'
# Without this, text that looks like a date becomes a date.
if ($PSVersionTable.PSVersion.Major * 100 + $PSVersionTable.PSVersion.Minor -ge 705) { $global:__tcenv_json += ' -DateKind String' }
$global:__tcenv_json += ' | ForEach-Object { $_.PSObject.Properties } | __tcenv_apply'

function global:__tcenv_call($call, $given) {
    Set-StrictMode -Off
    $piped = @($input)
    $words = @(__tcenv_words $call @($given))
    # Quote each word, since PowerShell expands `*` and `~` in splatted words.
    $line = "& '$((__tcenv_find) -replace "'", "''")'"
    foreach ($word in $words) { $line += " '$("$word" -replace "['\u2018-\u201b]", '$0$0')'" }
    $applies = "$($words[0])" -cin @EVALUATED@ -and
        -not ($words | Where-Object { "$_" -cmatch '^(-h|--help|--csh|--check|--shell(=.*)?|--format(=.*)?)$' })
    $Env:__TCENV_FUNCTION = '1'
    try {
        if ($applies) {
            $stops = $ErrorActionPreference -eq 'Stop'
            & {
                $ErrorActionPreference = 'Continue'
                $PSNativeCommandUseErrorActionPreference = $false
                Invoke-Expression "$line --shell nu | $global:__tcenv_json"
            }
            # Give a pipeline that evaluates the output a statement with the same effect.
            if ($call.PipelinePosition -lt $call.PipelineLength) {
                if ($global:LASTEXITCODE) { "throw 'tcenv failed';" } else { '[void]0;' }
            }
            elseif ($global:LASTEXITCODE -and $stops) { throw "tcenv $($words[0]) failed" }
        }
        elseif ($call.ExpectingInput) { Invoke-Expression "`$piped | $line" }
        else { Invoke-Expression $line }
    }
    finally {
        $global:__tcenv_status = $global:LASTEXITCODE
        Remove-Item -LiteralPath Env:__TCENV_FUNCTION -ErrorAction Ignore
    }
}

# If a policy refuses scripts, use a function instead of the script.
$global:__tcenv_script = Join-Path @SHELL@ 'function.ps1'
$global:__tcenv_probes = $true
try {
    & $global:__tcenv_script
    Set-Alias -Scope Global -Name tcenv -Value $global:__tcenv_script
}
catch {
    Remove-Item -LiteralPath Alias:tcenv -ErrorAction Ignore
    Write-Warning 'tcenv: scripts may not run here, so && and || do not see that tcenv fails. Check $LASTEXITCODE.'
    function global:tcenv {
        if ($MyInvocation.ExpectingInput) { $input | __tcenv_call $MyInvocation $args } else { __tcenv_call $MyInvocation $args }
    }
}
$global:__tcenv_probes = $false

# Run the hook and the mark before the user's own prompt. The prompt still gets the status of the last command.
function global:__tcenv_wrap {
    if ("${function:global:prompt}" -like '*__tcenv_at_prompt*') { return }
    $global:__tcenv_own_prompt = ${function:global:prompt}
    function global:prompt {
        $__tcenv_succeeded = $?
        __tcenv_at_prompt
        if (-not $__tcenv_succeeded) { Write-Error '' -ErrorAction Ignore }
        & $global:__tcenv_own_prompt
    }
}
function global:__tcenv_at_prompt {
    Set-StrictMode -Off
    $status = $global:LASTEXITCODE
    try {
        if ($global:__tcenv_hooks) { __tcenv_hook }
        if ($global:__tcenv_marks -and -not $Env:TCENV_SUBSHELL -and $Env:TCENV_LOADED -and "$Env:TCENV_PROFILE" -cmatch '^[A-Za-z0-9._@-]+\z') {
            # Write it at once, since prompts write too.
            Write-Host "(tcenv:$Env:TCENV_PROFILE) " -NoNewline
        }
    }
    catch { }
    $global:LASTEXITCODE = $status
}

# --- hook
# At each prompt, compare what is loaded with the first line of the session's file and with the time. If they differ,
# the program decides.
$global:__tcenv_tried = ''
filter global:__tcenv_say { if ($_ -is [string]) { $_ } else { Write-Host "$_" } }
function global:__tcenv_hook {
    $loaded = $Env:TCENV_LOADED
    # Profile, root URL, generation, file, and the choice before tcenv loaded anything.
    $words = "$loaded" -split ' '
    if ($words.Count -lt 5 -or $Env:TCENV_PROXY) { return }
    $path = $words[3..($words.Count - 2)] -join ' '
    $first = if ($path -eq '-') { '' } else { "GENERATION=$($words[2])" }
    $line = ''
    if ($first) {
        # Read only a regular file: any other could block.
        $file = Get-Item -LiteralPath $path -Force -ErrorAction Ignore
        if ($file -and "$($file.UnixMode)" -notmatch '^[^-]') {
            $line = "$(Get-Content -LiteralPath $path -TotalCount 1 -ErrorAction Ignore)"
        }
    }
    # If the time is unknown, treat the session as not ended.
    $end = if ("$Env:TCENV_EXPIRES" -cmatch '^[1-9][0-9]{0,14}\z') { [long] $Env:TCENV_EXPIRES } else { 999999999999999 }
    $now = ((Get-Date).ToUniversalTime() - [datetime] '1970-01-01').TotalSeconds
    $over = $null -ne $now -and $now -ge $end
    $soon = $null -ne $now -and $now -ge $end - 600
    $difference = "$loaded $Env:TCENV_EXPIRES $soon $over $line"
    if (-not $soon -and $line -ceq $first -or $difference -ceq $global:__tcenv_tried) { return }
    $global:__tcenv_tried = $difference
    $ErrorActionPreference = 'Continue'
    $PSNativeCommandUseErrorActionPreference = $false
    $ran = Test-Path -LiteralPath $global:__tcenv_program -PathType Leaf
    if ($ran) {
        $Env:__TCENV_FUNCTION = '1'
        # PowerShell drops what a program writes to stderr while it makes a prompt, so print it here.
        Invoke-Expression "& `$global:__tcenv_program hook nu 2>&1 | __tcenv_say | $global:__tcenv_json"
        $ran = $global:LASTEXITCODE -eq 0
        Remove-Item -LiteralPath Env:__TCENV_FUNCTION -ErrorAction Ignore
    }
    if (-not $ran -and $over) {
        # If the program cannot run, unload the session when it has ended.
        Write-Warning "tcenv: the session of $($words[0]) has expired"
        @VARIABLES@ | ForEach-Object { Remove-Item -LiteralPath "Env:$_" -ErrorAction Ignore }
        $profile_before, $root_before = if ($words[-1] -like '*=*') { $words[-1] -split '=', 2 } else { '', $words[-1] }
        if ($profile_before) { $Env:TCENV_PROFILE = $profile_before }
        if ($root_before -ne '-') { $Env:TASKCLUSTER_ROOT_URL = $root_before }
    }
    if ("$Env:TCENV_LOADED" -cne $loaded) { $global:__tcenv_tried = '' }
}
$global:__tcenv_hooks = $true
__tcenv_wrap

# --- prompt
# Show the loaded profile in front of the user's own prompt. A subshell of tcenv has its own mark.
$global:__tcenv_marks = $true
__tcenv_wrap
