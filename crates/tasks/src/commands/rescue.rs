//! `tasks rescue`

use crate::context::Context;
use selfservice_core::queue;

pub fn run(context: &Context) -> anyhow::Result<()> {
    let (lost, expired) = context.transaction(|connection| {
        let lost = queue::rescue(connection)?.lost;
        Ok((lost, queue::expire(connection)?))
    })?;
    let text = format!(
        "{} lost, {} expired; lost tasks stay so until somebody starts them again",
        lost.len(),
        expired.len()
    );
    context.show(&serde_json::json!({ "lost": lost, "expired": expired }), text)
}
