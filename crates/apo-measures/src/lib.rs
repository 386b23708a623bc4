//! Accuracy, calibration, means and their errors, on plain numbers.
