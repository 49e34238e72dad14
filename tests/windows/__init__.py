"""The Windows wheel's tests: `make windows` runs them by Windows' Python, under wine or on Windows itself. They import nothing
that Windows lacks, so the fixtures of the other tests are not theirs."""
