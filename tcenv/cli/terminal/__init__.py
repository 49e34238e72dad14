"""Print on the terminal: messages, the progress of a sign-in, and the end of a command."""
