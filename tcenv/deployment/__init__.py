"""Talk to a Taskcluster deployment: root URLs, scopes, times, the Auth service, signatures, temporary credentials."""
