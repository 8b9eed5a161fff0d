"""A file becomes a description. torch is imported below this folder and nowhere else."""
