"""Every speed that this project claims, as a command."""
