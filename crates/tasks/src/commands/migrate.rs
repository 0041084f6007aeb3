//! `tasks migrate`

use crate::context::Context;
use selfservice_core::db::migrations;

pub fn run(context: &Context) -> anyhow::Result<()> {
    let applied =
        context.pool().run(|connection| -> anyhow::Result<_> { Ok(migrations::apply(connection)?) })?;
    let text = if applied.is_empty() {
        "the tables are up to date".to_owned()
    } else {
        format!("applied {}", applied.join(", "))
    };
    context.show(&serde_json::json!({ "applied": applied }), text)
}
