# tcenv for PowerShell: the function that applies login, env and logout to this shell. Not run by tcenv's tests.

# --- function
function tcenv {
    $program = (Get-Command tcenv -CommandType Application | Select-Object -First 1).Source
    $applies = $args.Count -gt 0 -and $args[0] -in 'login', 'env', 'logout' -and
        -not ($args | Where-Object { $_ -in '-h', '--help' -or $_ -like '--shell*' -or $_ -like '--format*' })
    if (-not $applies) {
        & $program @args
        return
    }
    $text = & $program @args --shell powershell | Out-String
    if ($LASTEXITCODE -eq 0) { Invoke-Expression $text }
}

# --- hook
$global:__tcenv_token = ''
$global:__tcenv_tracked = ''
$global:__tcenv_reminded = ''
function global:__tcenv_unload([string] $why) {
    [Console]::Error.WriteLine("tcenv: ${Env:TCENV_PROFILE}: $why; tcenv login signs in again")
    'TASKCLUSTER_ROOT_URL', 'TASKCLUSTER_CLIENT_ID', 'TASKCLUSTER_ACCESS_TOKEN', 'TASKCLUSTER_CERTIFICATE',
    'TCENV_PROFILE', 'TCENV_EXPIRES' | ForEach-Object { Remove-Item -LiteralPath "Env:$_" -ErrorAction Ignore }
    $global:__tcenv_token = ''
    $global:__tcenv_tracked = ''
}
function global:__tcenv_hook {
    if (-not ($Env:TCENV_PROFILE -and $Env:TASKCLUSTER_ACCESS_TOKEN)) { return }
    if (-not $global:__tcenv_token) { $global:__tcenv_token = $Env:TASKCLUSTER_ACCESS_TOKEN }
    $now = [DateTimeOffset]::UtcNow.ToUnixTimeSeconds()
    if (-not $Env:TASKCLUSTER_CERTIFICATE -and $Env:XDG_RUNTIME_DIR) {
        $file = "$Env:XDG_RUNTIME_DIR/tcenv/$Env:TCENV_PROFILE.session"
        if ([IO.File]::Exists($file)) {
            $fields = @{}
            foreach ($line in [IO.File]::ReadAllLines($file)) {
                $key, $value = $line -split '=', 2
                if (-not $fields.ContainsKey($key)) { $fields[$key] = $value }
            }
            if ($fields['END'] -eq 'tcenv-session-1' -and $fields['TASKCLUSTER_ROOT_URL'] -eq $Env:TASKCLUSTER_ROOT_URL) {
                if ($fields['TASKCLUSTER_ACCESS_TOKEN'] -cne $Env:TASKCLUSTER_ACCESS_TOKEN -and
                    $global:__tcenv_token -ceq $Env:TASKCLUSTER_ACCESS_TOKEN -and [long] $fields['TCENV_EXPIRES'] -gt $now) {
                    $Env:TASKCLUSTER_CLIENT_ID = $fields['TASKCLUSTER_CLIENT_ID']
                    $Env:TASKCLUSTER_ACCESS_TOKEN = $fields['TASKCLUSTER_ACCESS_TOKEN']
                    $Env:TCENV_EXPIRES = $fields['TCENV_EXPIRES']
                }
                if ($fields['TASKCLUSTER_ACCESS_TOKEN'] -ceq $Env:TASKCLUSTER_ACCESS_TOKEN) {
                    $global:__tcenv_token = $Env:TASKCLUSTER_ACCESS_TOKEN
                    $global:__tcenv_tracked = $Env:TCENV_PROFILE
                }
            }
        }
        elseif ($global:__tcenv_tracked -eq $Env:TCENV_PROFILE -and $global:__tcenv_token -ceq $Env:TASKCLUSTER_ACCESS_TOKEN) {
            __tcenv_unload 'signed out elsewhere'
            return
        }
    }
    if ($global:__tcenv_token -cne $Env:TASKCLUSTER_ACCESS_TOKEN -or -not $Env:TCENV_EXPIRES) { return }
    $left = [long] $Env:TCENV_EXPIRES - $now
    if ($left -le 0) { __tcenv_unload 'the session has expired' }
    elseif ($left -le 600 -and $global:__tcenv_reminded -ne $Env:TCENV_EXPIRES) {
        $global:__tcenv_reminded = $Env:TCENV_EXPIRES
        [Console]::Error.WriteLine("tcenv: $Env:TCENV_PROFILE ends in $([math]::Floor($left / 60)) min; tcenv login --reset renews it")
    }
}
if (-not $global:__tcenv_hooked) {
    $global:__tcenv_hooked = $true
    $global:__tcenv_prompt = $function:prompt
    function global:prompt { __tcenv_hook; & $global:__tcenv_prompt }
}
