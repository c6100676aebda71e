"""What a record looks like: patterns, vaults and tables made of them, and the ready-made ones."""
