"""What people see on the terminal: messages, the progress of a sign-in, and how a command ends."""
