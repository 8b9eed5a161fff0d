"""Photos go through the stages in batches."""
