"""The signing proxy: check each caller, sign its calls with the session, pass them on, and learn which scopes they
need."""
