"""The doors: protocol words here, our words behind, nothing else."""
