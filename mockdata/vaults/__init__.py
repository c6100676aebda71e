"""What a record looks like: patterns, the vaults and tables that consist of them, the ready-made."""
