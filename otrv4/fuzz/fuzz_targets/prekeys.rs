#![no_main]

/// A claimed length that is believed fails here: without AddressSanitizer, libFuzzer sees no allocation.
#[global_allocator]
static ALLOCATOR: cap::Cap<std::alloc::System> = cap::Cap::new(std::alloc::System, 256 << 20);

libfuzzer_sys::fuzz_target!(
    init: otrv4_tests::fuzzing::prepare(),
    |input: &[u8]| otrv4_tests::fuzzing::run("prekeys", input)
);
