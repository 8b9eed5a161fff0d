"""The Unix socket between the daemon and everyone else."""
