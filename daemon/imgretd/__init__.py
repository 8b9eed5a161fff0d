"""imgretd: the daemon that keeps the index true."""
