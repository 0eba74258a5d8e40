//! The image against plain scans of the entries: answers are compared by the names of sources.

mod cases;
mod oracle;
mod overlay;
mod properties;
mod scale;
mod wishes;
