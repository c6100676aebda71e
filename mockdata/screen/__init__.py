"""Live progress, for the command and for programs: bars, lines of a log, or a notebook's output."""
