"""The commands: one module for each, named as it is typed. Each calls the packages below and prints."""
