//! The packed fields of a hot call, as the contract lays them out: for each field its length as `u32` little-endian and
//! its bytes, or the length `0xFFFF_FFFF` for an absent field.

/// The length that stands for an absent field.
const ABSENT: u32 = u32::MAX;

/// Appends one field to `blob`. A value of 4 GiB or more, which no head can hold, is passed as absent.
pub fn push(blob: &mut Vec<u8>, value: Option<&[u8]>) {
    let present = value.and_then(|value| Some((u32::try_from(value.len()).ok().filter(|len| *len != ABSENT)?, value)));
    match present {
        Some((length, value)) => {
            blob.extend_from_slice(&length.to_le_bytes());
            blob.extend_from_slice(value);
        }
        None => blob.extend_from_slice(&ABSENT.to_le_bytes()),
    }
}

/// `count` fields, all absent.
pub(crate) fn absent(count: usize) -> Vec<u8> {
    let mut blob = Vec::new();
    (0..count).for_each(|_| push(&mut blob, None));
    blob
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_packed_as_the_contract_says() {
        let mut blob = Vec::new();
        push(&mut blob, Some(b"GET"));
        push(&mut blob, None);
        push(&mut blob, Some(b""));
        assert_eq!(blob, [3, 0, 0, 0, b'G', b'E', b'T', 255, 255, 255, 255, 0, 0, 0, 0]);
        assert_eq!(absent(2), [255; 8]);
    }
}
