"""Run programs on another machine through the user's own ssh, with this machine's session and no token of it there."""
