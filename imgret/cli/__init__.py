"""The command line: Typer, a file per group of commands; `render` alone owns stdout."""
