"""The socket of the daemon: its protocol and a client that imports next to nothing."""
