"""Jobs and tasks: their state is kept here and nowhere else."""
