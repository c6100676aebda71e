"""Object stores as places for files: S3, Google Cloud Storage, Azure, and what speaks like them."""
