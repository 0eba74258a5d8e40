//! The stack that the functions of a BPF object take, and who calls whom, read out of the object.
//!
//! A chain of calls has 512 bytes for all its frames (`MAX_BPF_STACK`, include/linux/filter.h). Linux rounds
//! each frame up to 32 bytes, since 6.9 to 16 where the JIT is on (`round_up_stack_depth`,
//! kernel/bpf/verifier.c).

use std::{collections::HashMap, fmt};

use anyhow::{Context, Result, bail};
use object::{
    Object, ObjectSection, ObjectSymbol, RelocationTarget, SectionIndex, SymbolKind,
    read::elf::ElfFile64,
};

/// What kernels before 6.9, and all without JIT, round a frame up to.
pub const WIDE: u32 = 32;
/// What the others round it up to.
pub const NARROW: u32 = 16;
/// Bytes that a chain of ours may take of the 512: the next change must not be the one that some kernel
/// refuses.
pub const LIMIT: u32 = 480;

/// Bytes of an instruction (RFC 9669 §3).
const INSTRUCTION: usize = 8;
/// `BPF_CALL`, and the source register that makes it one of a function of the object (RFC 9669 §4.3).
const CALL: u8 = 0x85;
const LOCAL: u8 = 1;
/// The frame pointer, read-only.
const FRAME_POINTER: u8 = 10;
/// `R_BPF_64_32`, the relocation of a call.
const CALL_RELOCATION: u32 = 10;

/// A function of an object.
#[derive(Clone, Debug)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Bytes of stack that its instructions reach down to.
    pub frame: u32,
    /// Whom it calls, in the order of the calls: indexes of functions.
    calls: Vec<usize>,
    is_program: bool,
    /// Where in the object its instructions are.
    file: std::ops::Range<usize>,
}

/// The functions of an object.
#[derive(Clone, Debug)]
pub struct Functions(Vec<Function>);

/// The calls that take most stack, from a program down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// Names and frames, rounded up.
    pub frames: Vec<(String, u32)>,
}

impl Chain {
    /// Bytes of all frames.
    pub fn bytes(&self) -> u32 {
        self.frames.iter().map(|(_, bytes)| bytes).sum()
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let frames: Vec<String> = self
            .frames
            .iter()
            .map(|(name, bytes)| format!("{name} {bytes}"))
            .collect();
        write!(formatter, "{} bytes: {}", self.bytes(), frames.join(" → "))
    }
}

impl Functions {
    /// Reads `object`, an ELF file for BPF.
    ///
    /// # Errors
    /// It is none, or a call leads to no function.
    pub fn read(object: &[u8]) -> Result<Self> {
        let file: ElfFile64 = ElfFile64::parse(object).context("this is no ELF file")?;
        let mut functions = Vec::new();
        let mut starts = HashMap::new();
        for symbol in file
            .symbols()
            .filter(|it| it.kind() == SymbolKind::Text && it.size() > 0)
        {
            let index = symbol
                .section_index()
                .context("a function is in no section")?;
            let section = file.section_by_index(index)?;
            let (offset, _) = section.file_range().context("a section has no bytes")?;
            let start = (offset + symbol.address()) as usize;
            starts.insert((index, symbol.address()), functions.len());
            functions.push(Function {
                name: symbol.name()?.to_owned(),
                frame: 0,
                calls: Vec::new(),
                is_program: section.name()? != ".text",
                file: start..start + symbol.size() as usize,
            });
        }
        for (&(section, address), &index) in &starts {
            let range = functions[index].file.clone();
            let code = object
                .get(range)
                .context("a function lies outside the file")?;
            functions[index].frame = frame(code);
            functions[index].calls = calls(&file, section, address, code)?
                .into_iter()
                .map(|target| {
                    starts
                        .get(&target)
                        .copied()
                        .context("a call leads to no function")
                })
                .collect::<Result<_>>()?;
        }
        Ok(Self(functions))
    }

    /// The functions that the kernel enters by.
    pub fn programs(&self) -> impl Iterator<Item = &Function> {
        self.0.iter().filter(|function| function.is_program)
    }

    /// The function of this name.
    pub fn named(&self, name: &str) -> Result<&Function> {
        let found = self.0.iter().find(|function| function.name == name);
        found.with_context(|| format!("the object has no function {name}"))
    }

    /// Whom `function` calls, in the order of the calls.
    pub fn called<'a>(&'a self, function: &'a Function) -> impl Iterator<Item = &'a Function> {
        function.calls.iter().map(|&called| &self.0[called])
    }

    /// The chain of calls from `program` down that takes most stack, each frame as `bytes` says it, and
    /// rounded up to a multiple of `rounding`.
    pub fn deepest(
        &self,
        program: &Function,
        rounding: u32,
        bytes: &impl Fn(&Function) -> u32,
    ) -> Chain {
        let below = self
            .called(program)
            .map(|called| self.deepest(called, rounding, bytes));
        let below = below.max_by_key(Chain::bytes).unwrap_or_default();
        // Without the JIT a frame of nothing counts as one byte (`round_up_stack_depth`).
        let least = u32::from(rounding == WIDE);
        let own = bytes(program).max(least).next_multiple_of(rounding);
        let mut frames = vec![(program.name.clone(), own)];
        frames.extend(below.frames);
        Chain { frames }
    }
}

/// A copy of `object` in which `function` takes `bytes` more of stack: all that it keeps there lies so much
/// lower.
///
/// # Errors
/// It keeps nothing there.
pub fn grown(object: &[u8], function: &Function, bytes: u32) -> Result<Vec<u8>> {
    let mut copy = object.to_vec();
    let code = &mut copy[function.file.clone()];
    let places = accesses(code);
    if places.is_empty() {
        bail!("{} keeps nothing on its stack", function.name);
    }
    for (at, access) in places {
        match access {
            Access::Offset(offset) => {
                let lower = offset - i16::try_from(bytes)?;
                code[at + 2..at + 4].copy_from_slice(&lower.to_le_bytes());
            }
            Access::Pointer(offset) => {
                let lower = offset - i32::try_from(bytes)?;
                code[at + 4..at + 8].copy_from_slice(&lower.to_le_bytes());
            }
        }
    }
    Ok(copy)
}

/// How an instruction says where on the stack.
#[derive(Clone, Copy)]
enum Access {
    /// A load or a store by the frame pointer.
    Offset(i16),
    /// What is added to a copy of the frame pointer.
    Pointer(i32),
}

/// Bytes of stack that `code` reaches down to, as the kernel counts them: whole words of 8.
fn frame(code: &[u8]) -> u32 {
    let lowest = |access| match access {
        Access::Offset(offset) => u32::from(offset.unsigned_abs()),
        Access::Pointer(offset) => offset.unsigned_abs(),
    };
    let deepest = accesses(code)
        .into_iter()
        .map(|(_, access)| lowest(access))
        .max();
    deepest.unwrap_or_default().next_multiple_of(8)
}

/// The instructions of `code` that say where on the stack: their place in it, and what they say.
fn accesses(code: &[u8]) -> Vec<(usize, Access)> {
    /// `BPF_LDX`, `BPF_ST`, `BPF_STX` (RFC 9669 §3.1).
    const LOAD: u8 = 1;
    const STORES: [u8; 2] = [2, 3];
    /// `BPF_MOV | BPF_X` and `BPF_ADD | BPF_K` of 64 bits (§4.1).
    const MOVE: u8 = 0xbf;
    const ADD: u8 = 0x07;
    let mut found = Vec::new();
    // Registers that hold the frame pointer itself.
    let mut copies = [false; 16];
    for (at, instruction) in instructions(code) {
        let [operation, registers, low, high, ..] = *instruction;
        let (to, from) = (registers & 0xf, registers >> 4);
        let offset = i16::from_le_bytes([low, high]);
        let by_frame = match operation & 7 {
            LOAD => from == FRAME_POINTER,
            class if STORES.contains(&class) => to == FRAME_POINTER,
            _ => false,
        };
        if by_frame {
            found.push((at, Access::Offset(offset)));
        }
        if operation == ADD && copies[usize::from(to)] {
            found.push((at, Access::Pointer(immediate(instruction))));
        }
        copies[usize::from(to)] = operation == MOVE && from == FRAME_POINTER;
    }
    found
}

/// Whom `code`, which lies at `address` of `section`, calls: section and address of each.
fn calls(
    file: &ElfFile64,
    section: SectionIndex,
    address: u64,
    code: &[u8],
) -> Result<Vec<(SectionIndex, u64)>> {
    let relocations: HashMap<u64, RelocationTarget> = file
        .section_by_index(section)?
        .relocations()
        .filter(|(_, it)| {
            it.flags()
                == object::RelocationFlags::Elf {
                    r_type: CALL_RELOCATION,
                }
        })
        .map(|(at, relocation)| (at, relocation.target()))
        .collect();
    let mut targets = Vec::new();
    for (at, instruction) in instructions(code) {
        if instruction[0] != CALL || instruction[1] >> 4 != LOCAL {
            continue;
        }
        let at = address + at as u64;
        // In instructions, from the one after the call.
        let distance = (i64::from(immediate(instruction)) + 1) * INSTRUCTION as i64;
        targets.push(match relocations.get(&at) {
            Some(RelocationTarget::Symbol(index)) => {
                let symbol = file.symbol_by_index(*index)?;
                let target = symbol
                    .section_index()
                    .context("a call leads out of the object")?;
                let within = match symbol.kind() {
                    SymbolKind::Section => distance as u64,
                    _ => symbol.address(),
                };
                (target, within)
            }
            _ => (section, at.wrapping_add_signed(distance)),
        });
    }
    Ok(targets)
}

/// The instructions of `code` with their places; the second half of a wide one is none.
fn instructions(code: &[u8]) -> impl Iterator<Item = (usize, &[u8; INSTRUCTION])> {
    /// `BPF_LD | BPF_IMM | BPF_DW`, the one that takes twice the bytes (RFC 9669 §5.4).
    const WIDE_LOAD: u8 = 0x18;
    let (all, _) = code.as_chunks::<INSTRUCTION>();
    let mut is_half = false;
    all.iter()
        .enumerate()
        .filter_map(move |(index, instruction)| {
            let skipped = is_half;
            is_half = !skipped && instruction[0] == WIDE_LOAD;
            (!skipped).then_some((index * INSTRUCTION, instruction))
        })
}

fn immediate(instruction: &[u8; INSTRUCTION]) -> i32 {
    let [.., a, b, c, d] = *instruction;
    i32::from_le_bytes([a, b, c, d])
}
