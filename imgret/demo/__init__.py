"""Drawn pictures and tiny real checkpoints: the whole recipe without anything from outside."""
