"""The configuration: its file, its profiles and purposes, and which deployment a command means. Knows no command line."""
