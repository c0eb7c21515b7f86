//! A request read, with what its dialect's types have no field for told as left out.

use serde::Deserialize;
use serde_json::de::Read;

use crate::ir::losses::Losses;
use crate::json::unread;

/// Reads a request. Fields at the places of `needless` say nothing that another provider could miss.
pub(super) fn read<'a, T: Deserialize<'a>>(
    body: impl Read<'a>,
    needless: &[&str],
    losses: &mut Losses,
) -> serde_json::Result<T> {
    unread::read(body, &mut |place| {
        let place = place.to_string();
        if !needless.contains(&place.as_str()) {
            losses.leave_unread(place);
        }
    })
}
