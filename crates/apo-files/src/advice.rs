//! What to do about a format that is not read: in data, and in model directories.

use crate::format::Format;

/// Says what a data file is, and what to do, if its first bytes show that it is not
/// text, gzip or Parquet.
pub fn foreign(head: &[u8]) -> Option<&'static str> {
    Some(match Format::of(head)? {
        Format::Utf32 => "is UTF-32, expected UTF-8; `iconv -f UTF-32 -t UTF-8` converts it",
        Format::Utf16 => "is UTF-16, expected UTF-8; `iconv -f UTF-16 -t UTF-8` converts it",
        // Without a mark, the first byte of ASCII tells the order.
        Format::Utf32Unmarked if head[0] == 0 => {
            "is UTF-32, expected UTF-8; `iconv -f UTF-32BE -t UTF-8` converts it"
        }
        Format::Utf32Unmarked => {
            "is UTF-32, expected UTF-8; `iconv -f UTF-32LE -t UTF-8` converts it"
        }
        Format::Utf16Unmarked if head[0] == 0 => {
            "is UTF-16, expected UTF-8; `iconv -f UTF-16BE -t UTF-8` converts it"
        }
        Format::Utf16Unmarked => {
            "is UTF-16, expected UTF-8; `iconv -f UTF-16LE -t UTF-8` converts it"
        }
        Format::OldOffice => "is an old Excel or Office file; export it as .jsonl or .parquet",
        Format::Snappy => "is compressed by snappy; unpack it first (`snzip -d`)",
        Format::LfsPointer => {
            "is a Git LFS pointer, not the file itself; `git lfs pull` fetches it"
        }
        Format::XetPointer => "is a Git Xet pointer, not the file itself; download the file",
        Format::AnnexPointer => {
            "is a git-annex pointer, not the file itself; `git annex get` fetches it"
        }
        Format::Zstandard => "is compressed by zstd; unpack it first (`unzstd`)",
        Format::Xz => "is compressed by xz; unpack it first (`unxz`)",
        Format::Lzma => "is compressed by lzma; unpack it first (`unlzma`)",
        Format::Zlib => "is compressed by zlib; unpack it first (`zlib-flate -uncompress`)",
        Format::Bzip2 => "is compressed by bzip2; unpack it first (`bunzip2`)",
        Format::Lz4 => "is compressed by lz4; unpack it first (`unlz4`)",
        Format::SevenZip => "is a 7-Zip archive; unpack it first",
        Format::Zip => "is a zip archive, or a spreadsheet; unpack or export it first",
        Format::Tar => "is a tar archive; unpack it first",
        Format::Arrow => "is an Arrow file; write it as Parquet",
        Format::EncryptedParquet => {
            "is an encrypted Parquet file, which cannot be read; write it without encryption"
        }
        Format::Orc => "is an ORC file; write it as Parquet",
        Format::Avro => "is an Avro file; write it as Parquet",
        Format::Sqlite => "is an SQLite database; write the table as Parquet",
        Format::Hdf5 => "is an HDF5 file; write the table as Parquet",
        Format::Numpy => "is a NumPy file; write it as Parquet",
        Format::Pickle => "is a Python pickle, which is not read; write it as .jsonl or .parquet",
        Format::Pdf => "is a PDF document, not data",
        Format::WebPage | Format::Comment => "is a web page, not data; download the file itself",
        Format::NotFound => {
            "is a server's message that the file is missing or unavailable, not the file itself; \
             download it again"
        }
        Format::Gzip | Format::Parquet | Format::Gguf => return None,
    })
}

/// Says what a model directory's file is, and what to do, if its first bytes show that
/// it is neither JSON nor text nor safetensors.
pub fn stand_in(head: &[u8]) -> Option<&'static str> {
    match Format::of(head)? {
        Format::LfsPointer => Some(
            "this is a Git LFS pointer, not the file itself; run `git lfs install` and \
             `git lfs pull` in the folder that was cloned, or download the file",
        ),
        Format::XetPointer => {
            Some("this is a Git Xet pointer, not the file itself; download the file")
        }
        Format::AnnexPointer => {
            Some("this is a git-annex pointer, not the file itself; run `git annex get`")
        }
        Format::Utf32 | Format::Utf32Unmarked => Some("it is UTF-32 text; save it as UTF-8"),
        Format::Utf16 => Some("it is UTF-16 text; save it as UTF-8"),
        // Only JSON objects: a length in safetensors may begin as other text does.
        Format::Utf16Unmarked => match head {
            [b'{', 0, _, 0, ..] | [0, b'{', 0, ..] => Some("it is UTF-16 text; save it as UTF-8"),
            _ => None,
        },
        Format::Zip => Some(
            "it is a ZIP archive, as PyTorch's pickled checkpoints are; only safetensors files \
             are read: load the model with transformers and call `save_pretrained` to convert it",
        ),
        Format::Gguf => {
            Some("it is a GGUF file; only Hugging Face's layout with safetensors is read")
        }
        Format::Gzip => Some("it is compressed with gzip; unpack it"),
        Format::Zstandard => Some("it is compressed with Zstandard; unpack it"),
        Format::WebPage => {
            Some("it is a web page, as a failed download leaves one; download the file again")
        }
        Format::NotFound => Some(
            "it is a server's message that the file is missing or unavailable; download the file \
             again",
        ),
        Format::Hdf5 => Some(
            "it is an HDF5 file, as TensorFlow's weights are; only safetensors files are read: load \
             the model with transformers and call `save_pretrained` to convert it",
        ),
        Format::Xz | Format::Lzma | Format::Zlib | Format::Bzip2 | Format::Lz4 => {
            Some("it is compressed; unpack it")
        }
        _ => None,
    }
}
