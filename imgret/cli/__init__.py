"""The command line: Typer, a file per group of commands; only `console` writes to stdout."""
