"""What is written from the declarations in `app`: run by `make generated`, never by a command."""
