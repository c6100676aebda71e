"""Where it is computed: processes, threads, memory, and what the system may refuse."""
