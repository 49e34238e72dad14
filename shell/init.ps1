# tcenv for PowerShell: the function that applies login, signin, env and logout to this shell. Not run by tcenv's tests.

# --- function
function tcenv {
    # The program that the PATH finds, else the one that made this text.
    $found = Get-Command tcenv -CommandType Application -ErrorAction Ignore | Select-Object -First 1
    $program = if ($found) { $found.Source } else { @PROGRAM@ }
    $applies = $args.Count -gt 0 -and $args[0] -in @EVALUATED@ -and
        -not ($args | Where-Object { $_ -in '-h', '--help', '--csh', '--check' -or $_ -like '--shell*' -or $_ -like '--format*' })
    if (-not $applies) {
        & $program @args
        return
    }
    $text = & $program @args --shell powershell | Out-String
    if ($LASTEXITCODE -ne 0) { throw 'tcenv failed' }
    if ($text.Trim()) { Invoke-Expression $text }
}

# --- hook
# It only looks whether the session's file still holds the token that is loaded; what else it may hold is tcenv's to judge.
$global:__tcenv_runtime = @RUNTIME@
$global:__tcenv_files = @FILES@
$global:__tcenv_store = @STORE@
$global:__tcenv_xdg = @XDG@
$global:__tcenv_seen = ''
$global:__tcenv_token = ''
$global:__tcenv_kept = $false
$global:__tcenv_refused = ''
$global:__tcenv_reminded = ''
function global:__tcenv_unload([string] $why) {
    [Console]::Error.WriteLine("tcenv: ${Env:TCENV_PROFILE}: $why; tcenv login ${Env:TCENV_PROFILE} signs in again")
    $words = "$Env:TCENV_LOADED" -split ' '
    'TASKCLUSTER_ROOT_URL', 'TASKCLUSTER_CLIENT_ID', 'TASKCLUSTER_ACCESS_TOKEN', 'TASKCLUSTER_CERTIFICATE',
    'TCENV_PROFILE', 'TCENV_EXPIRES', 'TCENV_LOADED' | ForEach-Object { Remove-Item -LiteralPath "Env:$_" -ErrorAction Ignore }
    if ($words.Count -gt 1 -and $words[-1] -cmatch '^[A-Za-z0-9:/._~%@+\[\]-]{2,}\z') { $Env:TASKCLUSTER_ROOT_URL = $words[-1] }
    $global:__tcenv_seen = ''
}
function global:__tcenv_hook {
    if (-not $Env:TASKCLUSTER_ACCESS_TOKEN -or "$Env:TCENV_PROFILE" -cnotmatch '^[A-Za-z0-9][A-Za-z0-9._@-]{0,127}\z') { return }
    $words = "$Env:TCENV_LOADED" -split ' '
    if ($words[0] -and $words[0] -cne $Env:TASKCLUSTER_ROOT_URL) { return }
    $seen = "$Env:TCENV_PROFILE $Env:TCENV_EXPIRES $Env:TCENV_LOADED"
    if ($seen -cne $global:__tcenv_seen) {
        $global:__tcenv_seen = $seen
        $global:__tcenv_token = $Env:TASKCLUSTER_ACCESS_TOKEN
        $global:__tcenv_kept = $words[0] -and $words -notcontains '-'
    }
    $store = if ($Env:TCENV_STORE) { $Env:TCENV_STORE } else { $global:__tcenv_store }
    $folder = if ($store -ceq 'file') { $global:__tcenv_files }
        elseif ($store -in 'auto', 'runtime' -and "$Env:XDG_RUNTIME_DIR" -ceq $global:__tcenv_xdg) { $global:__tcenv_runtime }
    if ($folder -and -not $Env:TASKCLUSTER_CERTIFICATE -and [IO.Directory]::Exists($folder)) {
        $file = Get-Item -LiteralPath "$folder/$Env:TCENV_PROFILE.session" -Force -ErrorAction Ignore
        if ($file -and -not $file.LinkType -and "$($file.UnixMode)" -notmatch '^[^-]') {
            $first = [IO.File]::ReadLines($file.FullName) | Select-Object -First 1
            if ($first -ceq "TASKCLUSTER_ACCESS_TOKEN=$Env:TASKCLUSTER_ACCESS_TOKEN") {
                $global:__tcenv_token = $Env:TASKCLUSTER_ACCESS_TOKEN
                $global:__tcenv_kept = $true
            }
            elseif ($global:__tcenv_token -ceq $Env:TASKCLUSTER_ACCESS_TOKEN -and $first -cne $global:__tcenv_refused) {
                $global:__tcenv_refused = $first
                try {
                    tcenv env $Env:TCENV_PROFILE 2>$null
                    $global:__tcenv_seen = "$Env:TCENV_PROFILE $Env:TCENV_EXPIRES $Env:TCENV_LOADED"
                    $global:__tcenv_token = $Env:TASKCLUSTER_ACCESS_TOKEN
                }
                catch { }
            }
        }
        elseif (-not $file -and $global:__tcenv_kept -and $global:__tcenv_token -ceq $Env:TASKCLUSTER_ACCESS_TOKEN) {
            __tcenv_unload 'signed out elsewhere'
            return
        }
    }
    if ($global:__tcenv_token -cne $Env:TASKCLUSTER_ACCESS_TOKEN -or "$Env:TCENV_EXPIRES" -cnotmatch '^[1-9][0-9]{0,14}\z') { return }
    $left = [long] $Env:TCENV_EXPIRES - [DateTimeOffset]::UtcNow.ToUnixTimeSeconds()
    if ($left -le 0) { __tcenv_unload 'the session has expired' }
    elseif ($left -le 600 -and $global:__tcenv_reminded -ne $Env:TCENV_EXPIRES) {
        $global:__tcenv_reminded = $Env:TCENV_EXPIRES
        [Console]::Error.WriteLine("tcenv: $Env:TCENV_PROFILE ends in $([math]::Floor($left / 60)) min; tcenv login $Env:TCENV_PROFILE --reset renews it")
    }
}
if (-not $global:__tcenv_hooked) {
    $global:__tcenv_hooked = $true
    $global:__tcenv_prompt = $function:prompt
    function global:prompt { __tcenv_hook; & $global:__tcenv_prompt }
}

# --- prompt
# The profile that is loaded, in front of the user's own prompt.
if (-not $global:__tcenv_prompted) {
    $global:__tcenv_prompted = $true
    $global:__tcenv_plain_prompt = $function:prompt
    function global:prompt {
        $own = & $global:__tcenv_plain_prompt
        if ("$Env:TCENV_PROFILE" -cmatch '^[A-Za-z0-9._@-]+\z') { "(tcenv:$Env:TCENV_PROFILE) $own" } else { $own }
    }
}
