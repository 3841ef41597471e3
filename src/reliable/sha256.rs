//! SHA-256 (FIPS 180-4): a number of 256 bits by which two files are told apart. Pure.
//!
//! Each datagram has a CRC-32, which finds an accident on the way; one that happens beside it (a disk, a
//! memory cell, a mistake in this program) it cannot see. So the whole file is summed up at both ends, by
//! the sum that `sha256sum` prints, and the two are compared.
//!
//! ```text
//! message, 0x80, zeros, its length in bits (8 bytes)   cut into blocks of 64 bytes
//! block ─▶ 64 words ─▶ 64 rounds over eight words a … h ─▶ added to the eight words so far
//! ```

use std::fmt::Write as _;

/// The fractional parts of the cube roots of the first 64 primes (FIPS 180-4, 4.2.2).
const ROUNDS: [u32; 64] = [
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
];

/// The fractional parts of the square roots of the first eight primes (FIPS 180-4, 5.3.3).
const START: [u32; 8] =
    [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];

/// Bytes of a block.
const BLOCK: usize = 64;

/// The sum itself.
pub type Sum = [u8; 32];

/// A sum in the making.
#[derive(Debug, Clone)]
pub struct Sha256 {
    words: [u32; 8],
    /// The beginning of the next block.
    pending: Vec<u8>,
    /// How many bytes there were.
    length: u64,
}

impl Sha256 {
    /// The sum of nothing so far.
    pub fn new() -> Sha256 {
        Sha256 { words: START, pending: Vec::with_capacity(BLOCK), length: 0 }
    }

    /// More bytes.
    pub fn add(&mut self, mut bytes: &[u8]) {
        self.length = self.length.wrapping_add(bytes.len() as u64);
        if !self.pending.is_empty() {
            let missing = (BLOCK - self.pending.len()).min(bytes.len());
            self.pending.extend_from_slice(&bytes[..missing]);
            bytes = &bytes[missing..];
            if let Ok(block) = self.pending.as_slice().try_into() {
                compress(&mut self.words, block);
                self.pending.clear();
            }
        }
        while let Some((block, rest)) = bytes.split_first_chunk() {
            compress(&mut self.words, block);
            bytes = rest;
        }
        self.pending.extend_from_slice(bytes);
    }

    /// The sum of all bytes.
    pub fn finish(mut self) -> Sum {
        let bits = self.length.wrapping_mul(8);
        // One bit, and zeros up to the last eight bytes of a block.
        let zeros = (BLOCK * 2 - 9 - self.pending.len()) % BLOCK;
        self.add(&[0x80]);
        self.add(&[0; BLOCK][..zeros]);
        self.add(&bits.to_be_bytes());
        let mut sum = [0; 32];
        for (place, word) in sum.chunks_exact_mut(4).zip(self.words) {
            place.copy_from_slice(&word.to_be_bytes());
        }
        sum
    }
}

impl Default for Sha256 {
    fn default() -> Sha256 {
        Sha256::new()
    }
}

/// The 64 rounds (FIPS 180-4, 6.2.2).
fn compress(words: &mut [u32; 8], block: &[u8; BLOCK]) {
    let mut schedule = [0u32; 64];
    for (word, bytes) in schedule.iter_mut().zip(block.chunks_exact(4)) {
        *word = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
    for t in 16..64 {
        let (near, far) = (schedule[t - 2], schedule[t - 15]);
        let small1 = near.rotate_right(17) ^ near.rotate_right(19) ^ (near >> 10);
        let small0 = far.rotate_right(7) ^ far.rotate_right(18) ^ (far >> 3);
        let sum = small1.wrapping_add(schedule[t - 7]).wrapping_add(small0);
        schedule[t] = sum.wrapping_add(schedule[t - 16]);
    }
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *words;
    for (constant, word) in ROUNDS.into_iter().zip(schedule) {
        let big1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
        let choice = (e & f) ^ (!e & g);
        let first = h.wrapping_add(big1).wrapping_add(choice).wrapping_add(constant).wrapping_add(word);
        let big0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
        let majority = (a & b) ^ (a & c) ^ (b & c);
        let second = big0.wrapping_add(majority);
        (h, g, f, e, d, c, b, a) = (g, f, e, d.wrapping_add(first), c, b, a, first.wrapping_add(second));
    }
    for (word, change) in words.iter_mut().zip([a, b, c, d, e, f, g, h]) {
        *word = word.wrapping_add(change);
    }
}

/// As `sha256sum` prints it.
pub fn hex(sum: &Sum) -> String {
    sum.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(bytes: &[u8]) -> String {
        let mut sha = Sha256::new();
        sha.add(bytes);
        hex(&sha.finish())
    }

    /// The examples of FIPS 180 (NIST's "SHA256.pdf" and "Additional").
    #[test]
    fn the_published_examples() {
        let table: [(&[u8], &str); 4] = [
            (b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
            ),
            (&[0; 1_000_000], "d29751f2649b32ff572b5e0a9f541ea660a50f94ff0beedfb0b692b924cc8025"),
        ];
        for (bytes, expected) in table {
            assert_eq!(sum(bytes), expected);
        }
        assert_eq!(
            sum(&[b'a'; 1_000_000]),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
        );
    }

    #[test]
    fn however_the_bytes_are_cut() {
        let bytes: Vec<u8> = (0..200u8).collect();
        for length in 0..bytes.len() {
            let whole = sum(&bytes[..length]);
            for cut in 0..=length {
                let mut sha = Sha256::new();
                sha.add(&bytes[..cut]);
                sha.add(&bytes[cut..length]);
                assert_eq!(hex(&sha.finish()), whole, "{length} bytes, cut at {cut}");
            }
        }
    }
}
