//! The lab: network namespaces with real packets, frames, and the product run in it as an operator
//! would. Shared by the tests and the demo.

pub mod frame;
pub mod lab;
pub mod namespace;
pub mod product;
pub mod tap;
