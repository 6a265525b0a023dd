//! What the tests of wiguard share: cases and how they are scanned, the doors of the policy, the
//! generated estate, what it is to know less, and modules built for comparison.

pub mod case;

pub mod doors;
pub mod estate;
pub mod loss;
pub mod modules;
pub mod objects;
