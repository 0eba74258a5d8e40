//! What no library covers without `unsafe`, and the only module of the controller that has any:
//! pins as plain descriptors, moving a link, mapped arrays, waiting for a descriptor and keeping it.

use std::{
    ffi::CString,
    fs, io,
    os::{
        fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
};

use anyhow::{Context, Result, bail};
use firewall_common::image::Line;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use tokio::io::unix::AsyncFd;

/// `BPF_OBJ_PIN` (include/uapi/linux/bpf.h, `enum bpf_cmd`).
const BPF_OBJ_PIN: libc::c_int = 6;
/// `BPF_OBJ_GET`, likewise.
const BPF_OBJ_GET: libc::c_int = 7;
/// `BPF_LINK_CREATE`, likewise.
const BPF_LINK_CREATE: libc::c_int = 28;
/// `BPF_LINK_UPDATE`, likewise.
const BPF_LINK_UPDATE: libc::c_int = 29;
/// `BPF_LINK_GET_FD_BY_ID`, likewise.
const BPF_LINK_GET_FD_BY_ID: libc::c_int = 30;

/// `BPF_LINK_DETACH`, likewise.
const BPF_LINK_DETACH: libc::c_int = 34;

/// The `BPF_OBJ_*` member of `union bpf_attr` (include/uapi/linux/bpf.h).
#[repr(C)]
struct ObjectAttributes {
    path: u64,
    descriptor: u32,
    flags: u32,
}

/// The `link_create` member of `union bpf_attr`, as far as XDP and TCX use it: what follows is zero, and
/// may be left out.
#[repr(C)]
struct LinkCreateAttributes {
    program: i32,
    device: u32,
    attach_type: u32,
    flags: u32,
}

/// The `link_update` member of `union bpf_attr`.
#[repr(C)]
struct LinkUpdateAttributes {
    link: i32,
    new_program: i32,
    flags: u32,
    old_program: i32,
}

/// Calls bpf(2).
///
/// # Safety
/// `attributes` must be the member of `union bpf_attr` that `command` takes, and what it points to
/// must be valid during the call.
unsafe fn bpf<T>(command: libc::c_int, attributes: &T) -> io::Result<i32> {
    // SAFETY: the kernel reads `size_of` bytes of `attributes`; the rest is promised by the caller.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            std::ptr::from_ref(attributes),
            size_of::<T>(),
        )
    };
    match i32::try_from(result) {
        Ok(result) if result >= 0 => Ok(result),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Opens the pinned map, program or link at `path`.
///
/// aya opens pins too, but keeps the descriptor of a link to itself, and with it the only way to
/// learn which program the link runs.
pub fn open_pin(path: &Path) -> io::Result<OwnedFd> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let attributes = ObjectAttributes {
        path: path.as_ptr() as u64,
        descriptor: 0,
        flags: 0,
    };
    // SAFETY: this is the member for BPF_OBJ_GET, and the path lives until the call returns.
    let descriptor = unsafe { bpf(BPF_OBJ_GET, &attributes) }?;
    // SAFETY: the kernel just made this descriptor for us; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Pins a program, map or link at `path`.
pub fn pin(object: impl AsFd, path: &Path) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let attributes = ObjectAttributes {
        path: path.as_ptr() as u64,
        descriptor: object.as_fd().as_raw_fd().cast_unsigned(),
        flags: 0,
    };
    // SAFETY: this is the member for BPF_OBJ_PIN, and the path lives until the call returns.
    unsafe { bpf(BPF_OBJ_PIN, &attributes) }.map(|_| ())
}

/// Attaches `program` to the device of this index; `attach_type` is an `enum bpf_attach_type`. The
/// attachment ends with the last descriptor and pin of the link.
pub fn create_link(
    program: impl AsFd,
    device: u32,
    attach_type: u32,
    flags: u32,
) -> io::Result<OwnedFd> {
    let attributes = LinkCreateAttributes {
        program: program.as_fd().as_raw_fd(),
        device,
        attach_type,
        flags,
    };
    // SAFETY: this is the member for BPF_LINK_CREATE; it has no pointers.
    let descriptor = unsafe { bpf(BPF_LINK_CREATE, &attributes) }?;
    // SAFETY: the kernel just made this descriptor for us; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Opens the link with this number, whoever made it.
pub fn open_link(id: u32) -> io::Result<OwnedFd> {
    // SAFETY: the member for BPF_LINK_GET_FD_BY_ID starts with the number; the rest is zero.
    let descriptor = unsafe { bpf(BPF_LINK_GET_FD_BY_ID, &id) }?;
    // SAFETY: the kernel just made this descriptor for us; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Makes `link` run `program` from the next packet on.
pub fn update_link(link: impl AsFd, program: impl AsFd) -> io::Result<()> {
    let attributes = LinkUpdateAttributes {
        link: link.as_fd().as_raw_fd(),
        new_program: program.as_fd().as_raw_fd(),
        flags: 0,
        old_program: 0,
    };
    // SAFETY: this is the member for BPF_LINK_UPDATE; it has no pointers.
    unsafe { bpf(BPF_LINK_UPDATE, &attributes) }.map(|_| ())
}

/// Takes `link` off its device at once, whoever else holds it.
pub fn detach_link(link: impl AsFd) -> io::Result<()> {
    let descriptor = link.as_fd().as_raw_fd();
    // SAFETY: the member for BPF_LINK_DETACH is the descriptor alone.
    unsafe { bpf(BPF_LINK_DETACH, &descriptor) }.map(|_| ())
}

/// A number that the kernel shows for a BPF object in `/proc/self/fdinfo`, such as `prog_id`.
pub fn object_info(object: &OwnedFd, field: &str) -> Result<u32> {
    let text = object_text(object, field)?;
    let number = text.parse();
    number.with_context(|| format!("the kernel shows {field} of this BPF object as '{text}'"))
}

/// The same of what is no number, such as `link_type`.
pub fn object_text(object: &OwnedFd, field: &str) -> Result<String> {
    let path = format!("/proc/self/fdinfo/{}", object.as_raw_fd());
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let value = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name == field).then(|| value.trim().to_owned())
    });
    value.with_context(|| format!("the kernel shows no {field} for this BPF object"))
}

/// Copies `words` into the memory of an array map that was created with `BPF_F_MMAPABLE` and whose
/// values are a multiple of 8 bytes.
pub fn fill_array<T: Word>(map: impl AsFd, words: &[T]) -> Result<()> {
    let bytes = size_of_val(words);
    if bytes == 0 {
        return Ok(());
    }
    let protection = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a fresh mapping that no Rust object lives in. The kernel refuses one larger than the
    // map (array_map_mmap, kernel/bpf/arraymap.c).
    let memory = unsafe {
        mmap(
            std::ptr::null_mut(),
            bytes,
            protection,
            MapFlags::SHARED,
            map,
            0,
        )
        .context("cannot map the memory of a BPF array")?
    };
    // SAFETY: `memory` is `bytes` long, ours, and does not overlap `words`.
    unsafe { std::ptr::copy_nonoverlapping(words.as_ptr().cast(), memory.cast::<u8>(), bytes) };
    // SAFETY: mapped above, not used afterwards.
    unsafe { munmap(memory, bytes) }.context("cannot unmap the memory of a BPF array")
}

/// What [`fill_array`] may copy: plain integers without padding.
pub trait Word: Copy {}
impl Word for u64 {}
impl Word for [u64; 4] {}
impl Word for [u64; 8] {}

/// The bytes of words, as they are in memory.
pub fn bytes_of<const N: usize>(words: &[[u64; N]]) -> &[u8] {
    // SAFETY: the same memory for the same time; integers have no padding, and bytes no alignment.
    unsafe { std::slice::from_raw_parts(words.as_ptr().cast(), size_of_val(words)) }
}

/// The same, to be written to.
pub fn bytes_of_mut<const N: usize>(words: &mut [[u64; N]]) -> &mut [u8] {
    // SAFETY: the same memory for the same time, borrowed alone; any bytes make integers.
    unsafe { std::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), size_of_val(words)) }
}

/// The lines of an image in the kernel, mapped for reading.
pub struct MappedLines {
    lines: *mut Line,
    count: usize,
}

impl MappedLines {
    /// Maps the pinned array at `path`, which must hold lines.
    pub fn open(path: &Path) -> Result<Self> {
        let map = open_pin(path).with_context(|| format!("cannot open {}", path.display()))?;
        if object_info(&map, "value_size")? as usize != size_of::<Line>() {
            bail!("the pin {} holds no image", path.display());
        }
        let count = object_info(&map, "max_entries")? as usize;
        let bytes = count * size_of::<Line>();
        // SAFETY: a fresh mapping that no Rust object lives in, not larger than the map.
        let memory = unsafe {
            mmap(
                std::ptr::null_mut(),
                bytes,
                ProtFlags::READ,
                MapFlags::SHARED,
                &map,
                0,
            )
            .with_context(|| format!("cannot map {}", path.display()))?
        };
        Ok(Self {
            lines: memory.cast(),
            count,
        })
    }

    /// The lines.
    pub fn as_slice(&self) -> &[Line] {
        // SAFETY: mapped as long as `self` lives, page-aligned, any bytes make a `Line`, and nobody
        // writes it: an image is filled before its generation is in force, and never again.
        unsafe { std::slice::from_raw_parts(self.lines, self.count) }
    }
}

impl Drop for MappedLines {
    fn drop(&mut self) {
        // SAFETY: mapped by `open` with this length; the slices given out borrow `self`.
        let _ = unsafe { munmap(self.lines.cast(), self.count * size_of::<Line>()) };
    }
}

/// Keeps every descriptor but the standard ones from programs that are started from now on, also those
/// that this program itself was started with. Kernels before 5.11 know no such call (`CLOSE_RANGE_CLOEXEC`,
/// commit 582f1fb6b721): there an inherited one stays open.
pub fn keep_descriptors() {
    let (first, last) = (3, libc::c_uint::MAX);
    // SAFETY: the call has no pointers; it sets a flag of descriptors and closes none.
    unsafe {
        libc::syscall(
            libc::SYS_close_range,
            first,
            last,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    };
}

/// Waits for `source` to become readable.
pub fn readable<T: AsFd + AsRawFd>(source: T) -> io::Result<AsyncFd<T>> {
    // SAFETY: what implements `AsFd` keeps its descriptor open, and the same one, as long as it
    // lives, and `AsyncFd` owns it.
    unsafe { AsyncFd::register(source) }.map_err(Into::into)
}

#[cfg(test)]
mod tests {
    use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};

    use super::*;

    #[test]
    fn no_descriptor_goes_to_a_program_that_is_started() {
        let file = fs::File::open("/dev/null").unwrap();
        fcntl_setfd(&file, FdFlags::empty()).unwrap();
        keep_descriptors();
        assert_eq!(fcntl_getfd(&file).unwrap(), FdFlags::CLOEXEC);
    }
}
