"""XMP sidecars that imgret writes: merged into what is there, and taken away without a trace."""
