"""The signing proxy: check who calls, sign the call with the session, pass it on, and learn which scopes it needs."""
