# `tcenv shell` runs this after the user's own nushell configuration: load the session, and mark the prompt.
$env.__TCENV_LOAD | from json | load-env
hide-env __TCENV_LOAD
let tcenv_own_prompt = ($env.PROMPT_COMMAND? | default {|| $env.PWD })
$env.PROMPT_COMMAND = {||
    let own = (if ($tcenv_own_prompt | describe) == "closure" { do $tcenv_own_prompt } else { $tcenv_own_prompt })
    let profile = ($env.TCENV_PROFILE? | default "")
    $"\(tcenv(if ($profile | is-empty) { '' } else { $':($profile)' })) ($own)"
}
