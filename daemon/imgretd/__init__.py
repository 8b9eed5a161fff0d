"""imgretd: the daemon that keeps the index in sync with the folders."""
