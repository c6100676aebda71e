"""The command: words in, one call of the library, an exit code out."""
