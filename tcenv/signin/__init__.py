"""Sign in with the browser, or reset a token through the API."""
