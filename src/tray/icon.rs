//! The icon: a disc in the colour of the state, drawn here, so that no file has to be found.

use super::menu::IconLook;
use tray_icon::Icon;

const SIZE: u32 = 32;

/// The picture for a state.
pub(super) fn icon(look: IconLook) -> Result<Icon, String> {
    Icon::from_rgba(pixels(look), SIZE, SIZE).map_err(|error| format!("the icon: {error}"))
}

fn pixels(look: IconLook) -> Vec<u8> {
    let (colour, hollow) = match look {
        IconLook::Lost => ([0x90, 0x90, 0x90], true),
        IconLook::Idle => ([0x60, 0x7d, 0x8b], false),
        IconLook::Loading => ([0xf5, 0xa6, 0x23], false),
        IconLook::Ready => ([0x2e, 0xa0, 0x43], false),
        IconLook::Trouble => ([0xd7, 0x3a, 0x49], false),
    };
    let middle = f64::from(SIZE - 1) / 2.0;
    let (outer, inner) = (middle - 1.0, if hollow { middle - 6.0 } else { 0.0 });
    let mut pixels = Vec::new();
    for y in 0..SIZE {
        for x in 0..SIZE {
            let distance = (f64::from(x) - middle).hypot(f64::from(y) - middle);
            // A pixel at the edge is there in part.
            let part = (outer + 0.5 - distance).clamp(0.0, 1.0)
                * if hollow { (distance - inner + 0.5).clamp(0.0, 1.0) } else { 1.0 };
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 255")]
            let alpha = (part * 255.0) as u8;
            pixels.extend(colour);
            pixels.push(alpha);
        }
    }
    pixels
}
