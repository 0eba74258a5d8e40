//! Compression, recognised by content: servers and file names tell too often something else.

use std::{
    borrow::Cow,
    io::{Cursor, Read},
};

use flate2::read::MultiGzDecoder;

use super::{Refused, format};

/// First bytes of a gzip member (RFC 1952 §2.3.1).
const GZIP: &[u8] = &[0x1f, 0x8b];

/// First bytes of a zstd frame (RFC 8878 §3.1.1).
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// First bytes of a zip archive with a file in it (APPNOTE 4.3.7), and of an empty one (4.3.16).
const ZIP: [&[u8]; 2] = [b"PK\x03\x04", b"PK\x05\x06"];

/// `bytes` as they are, or decompressed if they are gzip (any number of members), zstd, or a zip
/// archive with one file.
///
/// # Errors
/// The compressed data is damaged or cut off, holds compressed data again, or what comes out is
/// longer than `limit` bytes; or an archive holds another number of files than one.
pub fn decompress(bytes: &[u8], limit: usize) -> Result<Cow<'_, [u8]>, Refused> {
    if let Some((_, name)) = OTHERS.iter().find(|(begin, _)| bytes.starts_with(begin)) {
        return Err(Refused(format!(
            "the content is compressed with {name}; ask for gzip, zstd or zip"
        )));
    }
    let content = match compression(bytes) {
        None => Cow::Borrowed(bytes),
        Some("gzip") => Cow::Owned(read("gzip", MultiGzDecoder::new(bytes), limit)?),
        Some("zip") => Cow::Owned(only_file(bytes, limit)?),
        Some(zstd) => {
            let decoder = zstd::Decoder::new(bytes).map_err(|error| damaged(zstd, &error))?;
            Cow::Owned(read(zstd, decoder, limit)?)
        }
    };
    if content.len() > limit {
        return Err(too_long(limit));
    }
    Ok(content)
}

/// Decompresses any bytes, and reads what comes of it.
///
/// # Panics
/// It is longer than it may be, or not what a parser may make of it.
pub fn exercise(bytes: &[u8]) {
    const LIMIT: usize = 1 << 16;
    if let Ok(content) = decompress(bytes, LIMIT) {
        assert!(content.len() <= LIMIT, "as long as it may be at most");
        format::exercise(None, &content);
    }
}

/// Compressions that are told apart to say so (their first bytes by file(1)).
const OTHERS: [(&[u8], &str); 4] = [
    (b"\xfd7zXZ\0", "xz"),
    (b"BZh", "bzip2"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
];

/// The name of the compression that `bytes` begin with.
fn compression(bytes: &[u8]) -> Option<&'static str> {
    if bytes.starts_with(GZIP) {
        return Some("gzip");
    }
    if ZIP.iter().any(|zip| bytes.starts_with(zip)) {
        return Some("zip");
    }
    bytes.starts_with(ZSTD).then_some("zstd")
}

/// The one file of an archive; folders and what macOS adds are none.
fn only_file(bytes: &[u8], limit: usize) -> Result<Vec<u8>, Refused> {
    let error = |error: zip::result::ZipError| damaged("zip", &error.into());
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(error)?;
    let is_file = |name: &&str| !name.ends_with('/') && !name.starts_with("__MACOSX/");
    let names: Vec<String> = archive
        .file_names()
        .filter(is_file)
        .map(str::to_owned)
        .collect();
    let [name] = names.as_slice() else {
        return Err(Refused(format!(
            "the zip archive holds {} files, and a feed is one; ask the provider for the list alone",
            names.len()
        )));
    };
    let file = archive.by_name(name).map_err(error)?;
    read("zip", file, limit)
}

/// Reads no more than one byte over the limit, so that a small file cannot fill the memory.
fn read(name: &str, decoder: impl Read, limit: usize) -> Result<Vec<u8>, Refused> {
    let mut content = Vec::new();
    let one_over = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    decoder
        .take(one_over)
        .read_to_end(&mut content)
        .map_err(|error| damaged(name, &error))?;
    if let Some(inner) = compression(&content) {
        return Err(Refused(format!(
            "the content is compressed twice ({inner} inside {name}); \
             ask the provider for a list that is compressed once"
        )));
    }
    Ok(content)
}

fn damaged(name: &str, error: &std::io::Error) -> Refused {
    Refused(format!(
        "the {name} data is damaged or cut off ({error}); the next update fetches it again"
    ))
}

fn too_long(limit: usize) -> Refused {
    Refused(format!(
        "the decompressed content is longer than the limit of {limit} bytes; a list \
         that is meant to be that long is to be divided into several feeds"
    ))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};
    use proptest::{collection::vec, prelude::*, sample::Index};

    use super::*;

    const LIST: &[u8] = b"192.0.2.1\n198.51.100.7\n";

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        zstd::encode_all(bytes, 3).unwrap()
    }

    fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in files {
            writer
                .start_file(*name, zip::write::SimpleFileOptions::default())
                .unwrap();
            writer.write_all(content).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    #[test]
    fn a_zip_archive_of_one_file() {
        let with_folder = zip(&[
            ("lists/", b""),
            ("lists/all.txt", LIST),
            ("__MACOSX/x", b"x"),
        ]);
        assert_eq!(*decompress(&with_folder, 100).unwrap(), *LIST);
        assert!(refusal(&zip(&[]), 100).contains("holds 0 files"));
        assert!(refusal(&zip(&[("a", LIST), ("b", LIST)]), 100).contains("holds 2 files"));
    }

    fn refusal(bytes: &[u8], limit: usize) -> String {
        decompress(bytes, limit).unwrap_err().to_string()
    }

    #[test]
    fn plain_content_is_not_copied() {
        assert!(matches!(decompress(LIST, 100), Ok(Cow::Borrowed(LIST))));
        assert!(matches!(decompress(b"", 100), Ok(Cow::Borrowed(b""))));
    }

    #[test]
    fn compressions_by_content() {
        assert_eq!(*decompress(&gzip(LIST), 100).unwrap(), *LIST);
        assert_eq!(*decompress(&zstd(LIST), 100).unwrap(), *LIST);
    }

    #[test]
    fn all_members_of_a_gzip_file() {
        let members = [gzip(LIST), gzip(b"203.0.113.9\n")].concat();
        assert_eq!(
            *decompress(&members, 100).unwrap(),
            *[LIST, b"203.0.113.9\n"].concat()
        );
    }

    #[test]
    fn a_bomb_is_cut_at_the_limit() {
        let zeros = vec![0; 10_000_000];
        for bomb in [gzip(&zeros), zstd(&zeros), zip(&[("a", &zeros)])] {
            assert!(refusal(&bomb, 1000).contains("limit of 1000 bytes"));
        }
        assert!(decompress(&gzip(&zeros), 10_000_000).is_ok());
        assert!(refusal(LIST, 10).contains("limit of 10 bytes"));
    }

    #[test]
    fn compressed_twice_is_refused() {
        assert!(refusal(&gzip(&zstd(LIST)), 1000).contains("zstd inside gzip"));
        assert!(refusal(&zstd(&gzip(LIST)), 1000).contains("gzip inside zstd"));
    }

    #[test]
    fn what_is_compressed_otherwise_is_refused_by_name() {
        assert!(refusal(b"\xfd7zXZ\0\0\x04", 100).contains("compressed with xz; ask for gzip"));
        assert!(refusal(b"BZh91AY&SY", 100).contains("bzip2"));
    }

    #[test]
    fn cut_off_data_is_refused() {
        for whole in [gzip(LIST), zstd(LIST), zip(&[("a", LIST)])] {
            assert!(refusal(&whole[..whole.len() - 6], 1000).contains("damaged or cut off"));
        }
    }

    /// The seeds of the fuzzer: the same list, compressed in each way.
    fn seeds() -> Vec<Vec<u8>> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/seeds/content");
        let files = std::fs::read_dir(folder).unwrap();
        files
            .map(|file| std::fs::read(file.unwrap().path()).unwrap())
            .collect()
    }

    #[test]
    fn every_seed_of_the_fuzzer_is_the_same_list() {
        let list = b"203.0.113.9\n192.0.2.7\n2001:db8::/32\n";
        for seed in seeds() {
            assert_eq!(*decompress(&seed, 100).unwrap(), *list);
        }
        assert_eq!(seeds().len(), 5);
    }

    proptest! {
        #[test]
        fn what_is_damaged_is_refused_or_as_long_as_it_may_be(
            changes in vec((any::<Index>(), any::<u8>()), 0..6),
            length in any::<Index>(),
        ) {
            for mut bytes in seeds() {
                for (at, byte) in &changes {
                    let at = at.index(bytes.len());
                    bytes[at] = *byte;
                }
                exercise(&bytes);
                exercise(&bytes[..length.index(bytes.len())]);
            }
        }
    }
}
