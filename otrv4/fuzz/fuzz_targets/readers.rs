#![no_main]
libfuzzer_sys::fuzz_target!(
    init: otrv4_tests::fuzzing::prepare(),
    |input: &[u8]| otrv4_tests::fuzzing::run("readers", input)
);
