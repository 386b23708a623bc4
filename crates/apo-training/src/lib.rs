//! Training: batches, steps, schedules, accumulation, checkpoints, metrics.
