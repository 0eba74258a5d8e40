//! The stack of the kernel program, read out of the objects without a kernel. What a kernel itself counts
//! is held against the same limit in `tests/tests/stack`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod frames;

use firewall::dataplane::Object;
use frames::{Functions, LIMIT, NARROW, WIDE, grown};

const OBJECTS: [Object; 2] = [Object::Shipped, Object::Trace];

fn deepest(object: &[u8], rounding: u32) -> u32 {
    let functions = Functions::read(object).unwrap();
    let chains = functions.programs().map(|program| {
        let chain = functions.deepest(program, rounding, &|function| function.frame);
        println!("rounded to {rounding}: {chain}");
        chain.bytes()
    });
    chains.max().unwrap()
}

#[test]
fn the_deepest_calls_stay_below_what_every_kernel_allows() {
    for object in OBJECTS {
        let (wide, narrow) = (
            deepest(object.bytes(), WIDE),
            deepest(object.bytes(), NARROW),
        );
        assert!(
            wide <= LIMIT && narrow <= wide,
            "{object:?}: {wide} bytes of {LIMIT}"
        );
    }
}

#[test]
fn what_a_function_takes_more_is_seen() {
    for object in OBJECTS {
        let functions = Functions::read(object.bytes()).unwrap();
        for program in functions.programs() {
            let before = functions.deepest(program, WIDE, &|function| function.frame);
            for (name, frame) in &before.frames {
                if functions.named(name).unwrap().frame == 0 {
                    continue;
                }
                let copy = grown(object.bytes(), functions.named(name).unwrap(), 64).unwrap();
                let functions = Functions::read(&copy).unwrap();
                let program = functions.named(&program.name).unwrap();
                let after = functions.deepest(program, WIDE, &|function| function.frame);
                assert_eq!(after.bytes(), before.bytes() + 64, "{name}, {frame} bytes");
            }
        }
    }
}
