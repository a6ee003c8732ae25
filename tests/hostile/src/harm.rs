//! The four ways to take more than one may have.

/// Past any limit on memory that a test sets.
const HOARD_BYTES: usize = 1 << 30;

/// Hoarded at a time.
const HOARD_STEP_BYTES: usize = 1 << 20;

/// Never returns, and does nothing that a host call would interrupt.
pub(crate) fn spin() -> ! {
    loop {
        std::hint::black_box(());
    }
}

#[expect(clippy::panic, reason = "that is what it is for")]
pub(crate) fn trap() -> ! {
    panic!("hostile: trapped as told")
}

pub(crate) fn hoard() {
    let mut hoard: Vec<Vec<u8>> = Vec::new();
    for _ in 0..HOARD_BYTES / HOARD_STEP_BYTES {
        hoard.push(vec![1; HOARD_STEP_BYTES]);
    }
    std::hint::black_box(hoard);
}

/// Calls itself until the stack ends.
#[expect(unconditional_recursion, reason = "that is what it is for")]
pub(crate) fn overflow(depth: u64) -> u64 {
    // Used after the call, so that it is none that ends in a jump.
    overflow(std::hint::black_box(depth + 1)) + std::hint::black_box(depth)
}
