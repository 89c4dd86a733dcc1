//! What the database holds, for people and for programs.

use crate::Done;
use prekey_server::store::Store;
use serde_json::json;
use std::io::{self, Write};

pub(crate) async fn print<S: Store>(store: S, as_json: bool) -> Done {
    let counted = store.figures().await;
    store.close().await;
    let figures = counted?;
    let mut out = io::stdout();
    if as_json {
        let figures = json!({
            "accounts": figures.accounts,
            "devices": figures.devices,
            "drained_devices": figures.drained,
            "waiting_prekeys": figures.waiting,
            "handed_out_prekeys": figures.handed_out,
            "pending_exchanges": figures.pending,
            "database_bytes": figures.bytes,
        });
        return Ok(writeln!(out, "{figures}")?);
    }
    let pending = figures.pending.map_or_else(|| "in the server's memory".into(), |n| n.to_string());
    writeln!(out, "accounts            {}", figures.accounts)?;
    writeln!(
        out,
        "devices             {}, of which {} have no prekey left",
        figures.devices, figures.drained
    )?;
    writeln!(out, "prekeys waiting     {}", figures.waiting)?;
    writeln!(out, "prekeys handed out  {}", figures.handed_out)?;
    writeln!(out, "pending exchanges   {pending}")?;
    Ok(writeln!(out, "database            {} bytes", figures.bytes)?)
}
