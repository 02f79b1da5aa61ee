"""The processes that a launcher, torchrun or srun, started for one command."""

import os


def launched_processes() -> int:
    """Return the number of processes that torchrun or srun started for this command; 1 without a launcher.

    In a batch script of SLURM, a command without srun is one process, however many tasks the job has (SLURM_NTASKS).
    """
    return int(os.environ.get("WORLD_SIZE", os.environ.get("SLURM_STEP_NUM_TASKS", "1")))


def launched_rank() -> int:
    """Return the rank of this process among the launched ones, from 0."""
    return int(os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0")))
