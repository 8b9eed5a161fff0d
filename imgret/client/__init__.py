"""The protocol of the daemon's socket, and a client for it that imports only small modules."""
