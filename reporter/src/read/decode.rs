//! Decoding: from the bytes of a file to the bytes of its text.
//!
//! Told by content, never by name: gzip of many members, zstd of many frames, a byte order mark,
//! UTF-16. All are streamed, so that a small file which grows without bound costs time alone.

use std::io::{self, BufRead, BufReader, Chain, Cursor, Error, ErrorKind, Read};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

type Raw<'a> = Box<dyn Read + 'a>;
type Peeked<R> = Chain<Cursor<Vec<u8>>, R>;

/// The text of a file.
///
/// # Errors
/// When its first bytes cannot be read or decompressed.
pub(super) fn decoded(raw: Raw<'_>) -> io::Result<Raw<'_>> {
    let (magic, raw) = peek(raw)?;
    let plain: Raw<'_> = match magic.as_slice() {
        [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(BufReader::with_capacity(64 << 10, raw))),
        // RFC 8878, 3.1: the magic number of a frame, and those of frames to be skipped.
        [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => Box::new(Zstd::new(raw)),
        _ => Box::new(raw),
    };
    let (mark, plain) = peek(plain)?;
    Ok(match mark.as_slice() {
        [0xef, 0xbb, 0xbf, ..] => Box::new(behind(mark, 3, plain)),
        [0xff, 0xfe, ..] => Box::new(Utf16::new(behind(mark, 2, plain), u16::from_le_bytes)),
        [0xfe, 0xff, ..] => Box::new(Utf16::new(behind(mark, 2, plain), u16::from_be_bytes)),
        _ => Box::new(plain),
    })
}

/// What went wrong, and what to do.
pub(super) fn explain(error: &Error) -> String {
    match error.kind() {
        ErrorKind::UnexpectedEof => "ends early: the rest is missing; copy or export it again".into(),
        ErrorKind::PermissionDenied => "could not be read: permission denied; run as a user who may read it".into(),
        ErrorKind::NotFound => "does not exist; check the path".into(),
        _ => format!("could not be read further: {error}; copy or export it again"),
    }
}

fn peek(mut source: Raw<'_>) -> io::Result<(Vec<u8>, Peeked<Raw<'_>>)> {
    let mut first = Vec::new();
    source.by_ref().take(4).read_to_end(&mut first)?;
    Ok((first.clone(), Cursor::new(first).chain(source)))
}

/// The source again without its mark.
fn behind<R: Read>(first: Vec<u8>, mark: usize, peeked: Peeked<R>) -> impl Read {
    let (_, rest) = peeked.into_inner();
    Cursor::new(first.get(mark..).unwrap_or_default().to_vec()).chain(rest)
}

/// The frames of a zstd file, one after the other.
struct Zstd<R: Read> {
    source: BufReader<R>,
    decoder: FrameDecoder,
    in_frame: bool,
}

impl<R: Read> Zstd<R> {
    fn new(source: R) -> Self {
        Self { source: BufReader::with_capacity(64 << 10, source), decoder: FrameDecoder::new(), in_frame: false }
    }

    /// Opens the next frame. False at the end of the file.
    fn next_frame(&mut self) -> io::Result<bool> {
        while !self.source.fill_buf()?.is_empty() {
            match self.decoder.reset(&mut self.source) {
                Ok(()) => {
                    self.in_frame = true;
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    io::copy(&mut self.source.by_ref().take(u64::from(length)), &mut io::sink())?;
                }
                Err(error) => return Err(damaged(&error)),
            }
        }
        Ok(false)
    }
}

impl<R: Read> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.in_frame || self.next_frame()? {
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                self.decoder
                    .decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1))
                    .map_err(|error| damaged(&error))?;
            }
            let bytes = self.decoder.read(buffer)?;
            if bytes > 0 || buffer.is_empty() {
                return Ok(bytes);
            }
            if self
                .decoder
                .get_checksum_from_data()
                .is_some_and(|said| Some(said) != self.decoder.get_calculated_checksum())
            {
                return Err(Error::new(ErrorKind::InvalidData, "its checksum does not match"));
            }
            self.in_frame = false;
        }
        Ok(0)
    }
}

/// What the decoder says: the source ends early, or it is no zstd.
fn damaged(error: &(dyn std::error::Error + 'static)) -> Error {
    let early = |error: &Error| error.kind() == ErrorKind::UnexpectedEof;
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    if causes.any(|cause| cause.downcast_ref::<Error>().is_some_and(early)) {
        return ErrorKind::UnexpectedEof.into();
    }
    Error::new(ErrorKind::InvalidData, format!("it is damaged, {error}"))
}

/// UTF-16 turned into UTF-8.
struct Utf16<R> {
    source: R,
    unit: fn([u8; 2]) -> u16,
    /// A byte of a unit, or the first unit of a pair, that the rest has yet to follow.
    odd: Option<u8>,
    high: Option<u16>,
    ready: Vec<u8>,
    taken: usize,
}

impl<R: Read> Utf16<R> {
    fn new(source: R, unit: fn([u8; 2]) -> u16) -> Self {
        Self { source, unit, odd: None, high: None, ready: Vec::new(), taken: 0 }
    }

    /// Decodes the next few bytes. False at the end.
    fn refill(&mut self) -> io::Result<bool> {
        let mut bytes = Vec::from_iter(self.odd.take());
        if self.source.by_ref().take(32 << 10).read_to_end(&mut bytes)? == 0 {
            let whole = bytes.is_empty() && self.high.is_none();
            return if whole { Ok(false) } else { Err(ErrorKind::UnexpectedEof.into()) };
        }
        let (pairs, odd) = bytes.as_chunks::<2>();
        self.odd = odd.first().copied();
        let mut units: Vec<u16> =
            self.high.take().into_iter().chain(pairs.iter().map(|pair| (self.unit)(*pair))).collect();
        self.high = units.pop_if(|unit| (0xd800..0xdc00).contains(unit));
        let text: Result<String, _> = char::decode_utf16(units).collect();
        self.ready = text.map_err(|error| Error::other(format!("bad UTF-16, {error}")))?.into_bytes();
        self.taken = 0;
        Ok(true)
    }
}

impl<R: Read> Read for Utf16<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.ready.len() {
            if !self.refill()? {
                return Ok(0);
            }
        }
        let mut rest = self.ready.get(self.taken..).unwrap_or_default();
        let bytes = rest.read(buffer)?;
        self.taken += bytes;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of Zstandard with one raw block, `abc`, and its checksum (RFC 8878, 3.1.1): the low half of its XXH64.
    const FRAME: [u8; 19] =
        [0x28, 0xb5, 0x2f, 0xfd, 0xa4, 3, 0, 0, 0, 0x19, 0, 0, b'a', b'b', b'c', 0x99, 0x09, 0x77, 0xad];

    fn read(frame: &[u8]) -> io::Result<String> {
        let mut text = String::new();
        decoded(Box::new(frame))?.read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn a_frame_is_what_its_checksum_says() {
        assert_eq!(read(&FRAME).ok().as_deref(), Some("abc"));
        let flipped = FRAME.map(|byte| if byte == b'a' { b'A' } else { byte });
        let said = read(&flipped).map_err(|error| explain(&error));
        let checked = "could not be read further: its checksum does not match; copy or export it again";
        assert_eq!(said, Err(checked.into()));
    }

    #[test]
    fn a_frame_that_ends_early_is_said_to() {
        for end in [6, 11, 13, 17] {
            let error = read(FRAME.get(..end).unwrap_or_default()).map_err(|error| explain(&error));
            let said = error.as_ref().err().map(String::as_str).unwrap_or_default();
            assert!(said.starts_with("ends early: "), "{end}: {error:?}");
        }
        let odd = FRAME.map(|byte| if byte == 0x19 { 0x1f } else { byte });
        let error = read(&odd).map_err(|error| explain(&error));
        assert!(error.as_ref().is_err_and(|said| said.contains("it is damaged, ")), "{error:?}");
    }
}
