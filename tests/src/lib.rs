//! What the tests of wiguard share: the generated estate, and modules built for comparison.

pub mod estate;
pub mod modules;
