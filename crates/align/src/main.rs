//! Aligns a policy on scored responses: SFT, RJS, RRHF, DPO.

fn main() {}
