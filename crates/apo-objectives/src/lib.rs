//! The objectives of APO and their kin, as pure functions of tensors.
