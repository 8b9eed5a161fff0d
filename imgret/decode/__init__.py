"""Files become pixels and facts, in bounded worker processes."""
