//! The lab: network namespaces with real packets, frames, and the product run in it as an operator
//! would. Shared by the tests and the demo.

pub mod cards;
pub mod frame;
pub mod kernel;
pub mod lab;
pub mod namespace;
pub mod need;
pub mod packet;
pub mod probe;
pub mod product;
pub mod record;
pub mod refusing;
pub mod rules;
pub mod server;
pub mod stack;
pub mod tap;
