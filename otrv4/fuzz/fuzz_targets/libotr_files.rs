#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| otrv4_tests::fuzzing::run("libotr_files", input));
