//! The schema itself: migrations both ways, the generated `schema.rs`, indexes behind every foreign key.

use selfservice_core::db::migrations;
use test_support::TestDatabase;

const TABLES: &str = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public' \
                      AND table_name <> '__diesel_schema_migrations'";

#[test]
fn every_migration_goes_down_and_up_again() {
    let database = TestDatabase::new();
    let mut connection = database.pool().get().unwrap();
    assert!(!migrations::pending(&mut connection).unwrap());
    let described = "SELECT string_agg(table_name || '.' || column_name || ' ' || data_type, E'\\n' ORDER BY table_name, column_name) \
                     FROM information_schema.columns WHERE table_schema = 'public'";
    let before = database.sql(described);
    migrations::revert_all(&mut connection).unwrap();
    assert_eq!(database.sql(TABLES), "0");
    let rest = "SELECT count(*) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'public' \
                AND p.proname NOT LIKE 'diesel%'";
    assert_eq!(database.sql(rest), "0", "functions are gone too");
    let all = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations")).unwrap().count();
    assert_eq!(migrations::apply(&mut connection).unwrap().len(), all);
    assert_eq!(database.sql(described), before);
    assert_eq!(migrations::apply(&mut connection).unwrap().len(), 0);
}

/// The lines that diesel's own tool prints for a table's columns.
const COLUMNS: &str = "SELECT table_name || '.' || column_name || ' -> ' || \
    CASE WHEN is_nullable = 'YES' THEN 'Nullable<' || t || '>' ELSE t END \
    FROM (SELECT *, CASE udt_name WHEN 'int8' THEN 'Int8' WHEN 'int4' THEN 'Int4' WHEN 'int2' THEN 'Int2' \
          WHEN 'text' THEN 'Text' WHEN 'bool' THEN 'Bool' WHEN 'timestamptz' THEN 'Timestamptz' WHEN 'jsonb' THEN 'Jsonb' \
          WHEN 'uuid' THEN 'Uuid' WHEN 'bytea' THEN 'Bytea' WHEN '_text' THEN 'Array<Nullable<Text>>' WHEN '_bytea' THEN 'Array<Nullable<Bytea>>' WHEN '_uuid' THEN 'Array<Nullable<Uuid>>' \
          ELSE 'unknown type ' || udt_name END AS t FROM information_schema.columns) c \
    WHERE table_schema = 'public' AND table_name NOT IN ('__diesel_schema_migrations', 'logs_default') \
    ORDER BY table_name, ordinal_position";

#[test]
fn the_generated_schema_is_what_the_migrations_make() {
    let mut table = "";
    let mut generated = Vec::new();
    for line in include_str!("../../src/db/schema.rs").lines().map(str::trim) {
        if let Some((name, _)) = line.strip_suffix('{').and_then(|line| line.split_once(" (")) {
            table = name;
        } else if line.contains(" -> ") && line.ends_with(',') {
            generated.push(format!("{table}.{}", line.trim_end_matches(',')));
        }
    }
    assert_eq!(generated, TestDatabase::new().sql(COLUMNS).lines().collect::<Vec<_>>(), "run `make schema`");
}

#[test]
fn every_foreign_key_has_an_index_of_its_own() {
    let database = TestDatabase::new();
    let without = database.sql(
        "SELECT c.conrelid::regclass || '.' || a.attname FROM pg_constraint c \
         JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1] \
         WHERE c.contype = 'f' AND NOT EXISTS (SELECT 1 FROM pg_index i \
             WHERE i.indrelid = c.conrelid AND i.indkey[0] = c.conkey[1] AND i.indpred IS NULL)",
    );
    assert_eq!(without, "", "deleting the row that these name would read the whole table");
}

#[test]
fn illegal_rows_are_refused_by_the_database_itself() {
    let database = TestDatabase::new();
    let mut connection = database.pool().get().unwrap();
    let mut refused = |sql: &str, constraint: &str| {
        use diesel::RunQueryDsl as _;
        let error = diesel::sql_query(sql).execute(&mut *connection).unwrap_err().to_string();
        assert!(error.contains(constraint), "{error}");
    };
    refused("INSERT INTO grants (verb) VALUES ('see')", "grants_check");
    refused(
        "INSERT INTO event_handlers (name, name_key, plugin, risk) VALUES ('a', 'a', 'p', 'none')",
        "risk",
    );
    refused("INSERT INTO logs VALUES (gen_random_uuid(), 0, 0, 'stdout', now(), '')", "bytes");
    database.sql("INSERT INTO audit (actor, identity, action) VALUES ('a', 'system', 'x')");
    refused("DELETE FROM audit", "append-only");
    refused("UPDATE audit SET actor = 'b'", "append-only");
    refused("TRUNCATE audit", "append-only");
}

#[test]
fn a_new_database_knows_nobody_and_nothing_that_opens_a_door() {
    let rows = "SELECT string_agg(name, ' ') FROM (SELECT 'users' AS name FROM users UNION ALL SELECT 'grants' FROM grants \
                UNION ALL SELECT 'api_tokens' FROM api_tokens UNION ALL SELECT 'sessions' FROM sessions \
                UNION ALL SELECT 'signin_links' FROM signin_links UNION ALL SELECT 'teams' FROM teams) all_rows";
    assert_eq!(TestDatabase::new().sql(rows), "");
}
