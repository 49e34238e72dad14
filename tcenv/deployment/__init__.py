"""The Taskcluster side: root URLs, scopes, times from now, the Auth API, temporary credentials."""
