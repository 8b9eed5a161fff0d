"""What the engines share: rules, and statements in which they differ by their dialect alone."""
