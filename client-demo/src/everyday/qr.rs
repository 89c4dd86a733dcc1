//! A fingerprint as a QR code for terminals: two modules a character, one above the other.

use console::{Style, colors_enabled};
use otrv4::Fingerprint;
use qrcode::render::unicode::Dense1x2;
use qrcode::types::QrError;
use qrcode::{EcLevel, QrCode};

/// The digits as a QR code, with the quiet zone around it. Readers want dark on light: with colours that is certain;
/// without, it is so where the terminal writes light on dark, and most readers take the other, too.
pub(super) fn code(fingerprint: &Fingerprint) -> Result<Vec<String>, QrError> {
    let code = encode(fingerprint)?;
    if !colors_enabled() {
        return Ok(lines(&code, Dense1x2::Light, Dense1x2::Dark));
    }
    let paper = Style::new().black().on_white();
    let dark_on_light = lines(&code, Dense1x2::Dark, Dense1x2::Light);
    Ok(dark_on_light.iter().map(|line| paper.apply_to(line).to_string()).collect())
}

/// Upper case: QR codes hold it in half the space.
fn encode(fingerprint: &Fingerprint) -> Result<QrCode, QrError> {
    QrCode::with_error_correction_level(fingerprint.to_string().to_uppercase(), EcLevel::L)
}

fn lines(code: &QrCode, dark: Dense1x2, light: Dense1x2) -> Vec<String> {
    let picture = code.render::<Dense1x2>().dark_color(dark).light_color(light).build();
    picture.lines().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_shows_every_module_of_the_code_in_its_place() {
        let fingerprint: Fingerprint = "0123456789abcdef".repeat(7).parse().expect("112 digits");
        let code = encode(&fingerprint).expect("it fits");
        let size = code.width();
        let quiet = 4;
        for (lines, dark_is_ink) in [
            (lines(&code, Dense1x2::Dark, Dense1x2::Light), true),
            (lines(&code, Dense1x2::Light, Dense1x2::Dark), false),
        ] {
            let rows: Vec<Vec<char>> = lines.iter().map(|line| line.chars().collect()).collect();
            assert_eq!(rows.len(), (size + 2 * quiet).div_ceil(2));
            let ink = |x: usize, y: usize| match (rows[y / 2][x], y % 2) {
                ('█', _) | ('▀', 0) | ('▄', 1) => true,
                (' ' | '▀' | '▄', _) => false,
                (other, _) => panic!("{other}"),
            };
            for (x, y) in (0..size).flat_map(|x| (0..size).map(move |y| (x, y))) {
                let dark = code[(x, y)] == qrcode::Color::Dark;
                assert_eq!(ink(x + quiet, y + quiet), dark == dark_is_ink, "{x} {y}");
            }
            assert!((0..size).all(|x| ink(x, 0) != dark_is_ink), "the quiet zone is light");
        }
    }
}
