# The start-up file of `tcenv shell` for elvish: read the user's own file, load the session, and mark the prompt.
if (has-env __TCENV_RC) {
  var file = (get-env __TCENV_RC)
  unset-env __TCENV_RC
  eval (slurp < $file) &on-end={|ns| for name [(keys $ns)] { edit:add-var $name $ns[$name] } }
}
if (has-env __TCENV_LOAD) {
  eval (get-env __TCENV_LOAD)
  unset-env __TCENV_LOAD
}
var tcenv-own-prompt = $edit:prompt
set edit:prompt = {
  if (eq $E:TCENV_PROFILE '') { put '(tcenv) ' } else { put '(tcenv:'$E:TCENV_PROFILE') ' }
  $tcenv-own-prompt
}
