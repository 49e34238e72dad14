"""Reading command lines: their declaration, the reader of plain ones, usage errors and help."""
