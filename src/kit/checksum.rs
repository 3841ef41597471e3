//! The Internet checksum: IPv4, ICMP, UDP and TCP carry it. RFC 1071.
//!
//! Take the bytes as 16-bit words, most significant byte first (an odd last byte is the high half of a
//! word), add them in one's complement (what overflows at the top is added again at the bottom), and
//! store the complement of the sum. The receiver adds everything, checksum included: all ones, whose
//! complement is 0, says that no single bit has changed. Words that swapped places go unnoticed.

/// The checksum of `bytes`. To make one, sum with the checksum field 0 and store the result; to check
/// one, sum all and compare with 0.
pub fn internet(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|word| match word {
        [high, low] => u16::from_be_bytes([*high, *low]),
        // `chunks(2)` leaves nothing but a lone last byte here.
        rest => u16::from_be_bytes([rest[0], 0]),
    });
    // 2^48 words fit a u64 before it overflows, so the carries can wait for the end.
    let mut sum: u64 = words.map(u64::from).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_1071_section_3() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(internet(&bytes), !0xddf2);
    }

    #[test]
    fn what_is_summed_with_its_checksum_gives_zero_and_an_odd_byte_counts() {
        for length in 0..40usize {
            let mut packet: Vec<u8> = (0..length as u8).map(|byte| byte.wrapping_mul(37)).collect();
            if length % 2 == 1 {
                assert_eq!(internet(&packet), internet(&[&packet[..], &[0]].concat()));
                packet.push(0);
            }
            let sum = internet(&packet);
            packet.extend(sum.to_be_bytes());
            assert_eq!(internet(&packet), 0, "{length} bytes");
            for bit in 0..packet.len() * 8 {
                packet[bit / 8] ^= 1 << (bit % 8);
                assert_ne!(internet(&packet), 0, "bit {bit} of {length} bytes");
                packet[bit / 8] ^= 1 << (bit % 8);
            }
        }
    }

    #[test]
    fn sixty_four_kilobytes_of_ones_do_not_overflow() {
        assert_eq!(internet(&[0xff; 65_536]), 0);
    }
}
