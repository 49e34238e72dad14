"""Run programs on another machine through the user's own ssh, with this machine's session. Its token never goes
there."""
