"""Drawn images and tiny real checkpoints: the whole pipeline without downloads."""
