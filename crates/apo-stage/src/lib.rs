//! What every stage shares: arguments, device, progress, signals, exit codes, whole outputs.
