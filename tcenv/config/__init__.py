"""What one run is about: the configuration file and its profiles, resolved into one value. Knows no command line."""
