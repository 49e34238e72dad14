"""Make the proxy reachable from a container or a sandbox that the command starts."""
