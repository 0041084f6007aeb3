// @generated automatically by Diesel CLI.

diesel::table! {
    use diesel::sql_types::*;

    api_tokens (id) {
        id -> Text,
        secret_hash -> Bytea,
        name -> Text,
        users_id -> Int8,
        verb -> Text,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
        last_used_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    use diesel::sql_types::*;

    audit (id) {
        id -> Int8,
        at -> Timestamptz,
        users_id -> Nullable<Int8>,
        actor -> Text,
        identity -> Text,
        address -> Text,
        action -> Text,
        object -> Text,
        task_id -> Nullable<Uuid>,
        detail -> Jsonb,
    }
}

diesel::table! {
    use diesel::sql_types::*;

    audit_refusals (actor) {
        actor -> Text,
        users_id -> Nullable<Int8>,
        since -> Timestamptz,
        refusals -> Int8,
    }
}

diesel::table! {
    use diesel::sql_types::*;

    confirmations (nonce) {
        nonce -> Uuid,
        users_id -> Int8,
        plan_hash -> Bytea,
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    use diesel::sql_types::*;

    environments (id) {
        id -> Int8,
        name -> Text,
        name_key -> Text,
        description -> Text,
        colour -> Text,
        minimum_risk -> Text,
    }
}

diesel::table! {
    use diesel::sql_types::*;

    environments_members (id) {
        id -> Int8,
        environments_id -> Int8,
        hosts_id -> Int8,
        hostgroups_id -> Nullable<Int8>,
    }
}

diesel::table! {
    use diesel::sql_types::*;

    environments_sources (environments_id) {
        environments_id -> Int8,
        sources -> Array<Nullable<Text>>,
        set_by -> Jsonb,
    }
}

diesel::table! {
    use diesel::sql_types::*;

    event_handler_revisions (event_handlers_id, revision) {
        event_handlers_id -> Int8,
        revision -> Int4,
        definition -> Jsonb,
        author -> Text,
        changed_at -> Timestamptz,
    }
}

diesel::table! {
    use diesel::sql_types::*;

    event_handlers (id) {
        id -> Int8,
        name -> Text,
        name_key -> Text,
        description -> Text,
        plugin -> Text,
        arguments -> Array<Nullable<Text>>,
        parameters -> Jsonb,
        tags -> Array<Nullable<Text>>,
        secrets -> Array<Nullable<Text>>,
        risk -> Text,
        timeout_seconds -> Int4,
        reason_required -> Bool,
        repeatable -> Bool,
        empty_macros -> Bool,
        enabled -> Bool,
        runbook_url -> Nullable<Text>,
        revision -> Int4,
        max_running -> Nullable<Int4>,
        paused_at -> Nullable<Timestamptz>,
        paused_by -> Nullable<Text>,
        paused_reason -> Nullable<Text>,
        resumed_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    use diesel::sql_types::*;

    event_handlers_sources (event_handlers_id) {
        event_handlers_id -> Int8,
        sources -> Array<Nullable<Text>>,
        set_by -> Jsonb,
    }
}

diesel::table! {
    use diesel::sql_types::*;

    events_handlers_members (id) {
        id -> Int8,
        services_members_id -> Int8,
        event_handlers_id -> Int8,
        position -> Int4,
        direct -> Bool,
        inherited -> Bool,
        dropped -> Bool,
    }
}

diesel::table! {
    use diesel::sql_types::*;

    grants (id) {
        id -> Int8,
        users_id -> Nullable<Int8>,
        teams_id -> Nullable<Int8>,
        environments_id -> Nullable<Int8>,
        hostgroups_id -> Nullable<Int8>,
        event_handlers_id -> Nullable<Int8>,
        handler_tag -> Nullable<Text>,
        verb -> Text,
    }
}

diesel::table! {
    use diesel::sql_types::*;

    grants_sources (grants_id) {
        grants_id -> Int8,
        sources -> Array<Nullable<Text>>,
        set_by -> Jsonb,
    }
}

diesel::table! {
    use diesel::sql_types::*;

    grants_taken (id) {
        id -> Int8,
        users_id -> Nullable<Int8>,
        teams_id -> Nullable<Int8>,
        environments_id -> Nullable<Int8>,
        hostgroups_id -> Nullable<Int8>,
        event_handlers_id -> Nullable<Int8>,
        handler_tag -> Nullable<Text>,
        verb -> Text,
        taken_at -> Timestamptz,
    }
}

diesel::table! {
    use diesel::sql_types::*;

    host_aliases (hosts_id, alias) {
        hosts_id -> Int8,
        alias -> Text,
    }
}

diesel::table! {
    use diesel::sql_types::*;

    hostgroups (id) {
        id -> Int8,
        name -> Text,
        name_key -> Text,
        description -> Text,
    }
}

diesel::table! {
    use diesel::sql_types::*;

    hostgroups_members (hostgroups_id, hosts_id) {
        hostgroups_id -> Int8,
        hosts_id -> Int8,
    }
}

diesel::table! {
    use diesel::sql_types::*;

    hostgroups_services (hostgroups_id, services_id) {
        hostgroups_id -> Int8,
        services_id -> Int8,
    }
}

diesel::table! {
    use diesel::sql_types::*;

    hostgroups_sources (hostgroups_id) {
        hostgroups_id -> Int8,
        sources -> Array<Nullable<Text>>,
        set_by -> Jsonb,
    }
}

diesel::table! {
    use diesel::sql_types::*;

    hosts (id) {
        id -> Int8,
        name -> Text,
        name_key -> Text,
        address -> Text,
        description -> Text,
        vars -> Jsonb,
        tags -> Array<Nullable<Text>>,
        max_running -> Nullable<Int4>,
    }
}

diesel::table! {
    use diesel::sql_types::*;

    hosts_sources (hosts_id) {
        hosts_id -> Int8,
        sources -> Array<Nullable<Text>>,
        set_by -> Jsonb,
    }
}

diesel::table! {
    use diesel::sql_types::*;

    loads (source) {
        source -> Text,
        loaded_at -> Timestamptz,
        program -> Text,
        object -> Text,
    }
}

diesel::table! {
    use diesel::sql_types::*;

    logs (task_id, byte_offset) {
        task_id -> Uuid,
        byte_offset -> Int8,
        first_line -> Int8,
        stream -> Text,
        written_at -> Timestamptz,
        bytes -> Bytea,
    }
}

diesel::table! {
    use diesel::sql_types::*;

    plugins (workers_id, name) {
        workers_id -> Uuid,
        name -> Text,
        sha256 -> Nullable<Bytea>,
        problem -> Nullable<Text>,
    }
}

diesel::table! {
    use diesel::sql_types::*;

    schedule_runs (name, slot) {
        name -> Text,
        slot -> Timestamptz,
        started_at -> Timestamptz,
        finished_at -> Nullable<Timestamptz>,
        exit_code -> Nullable<Int4>,
        outcome -> Nullable<Text>,
        requested_by -> Nullable<Text>,
        task_ids -> Array<Nullable<Uuid>>,
    }
}

diesel::table! {
    use diesel::sql_types::*;

    schedules (id) {
        id -> Int8,
        source -> Text,
        name -> Text,
        name_key -> Text,
        expression -> Text,
        time_zone -> Text,
        enabled -> Bool,
        command -> Array<Nullable<Text>>,
        seen_at -> Nullable<Timestamptz>,
        hosts_id -> Nullable<Int8>,
        hostgroups_id -> Nullable<Int8>,
        services_id -> Nullable<Int8>,
        event_handlers_id -> Nullable<Int8>,
        parameters -> Jsonb,
        reason -> Nullable<Text>,
        users_id -> Nullable<Int8>,
        missed -> Text,
        most_missed -> Int4,
        jitter_seconds -> Int4,
        overlap -> Text,
        considered_until -> Timestamptz,
        next_at -> Nullable<Timestamptz>,
        run_requested_at -> Nullable<Timestamptz>,
        run_requested_by -> Nullable<Text>,
        revision -> Int4,
        program -> Nullable<Text>,
    }
}

diesel::table! {
    use diesel::sql_types::*;

    services (id) {
        id -> Int8,
        name -> Text,
        name_key -> Text,
        description -> Text,
        vars -> Jsonb,
    }
}

diesel::table! {
    use diesel::sql_types::*;

    services_event_handlers (services_id, event_handlers_id) {
        services_id -> Int8,
        event_handlers_id -> Int8,
        position -> Int4,
    }
}

diesel::table! {
    use diesel::sql_types::*;

    services_members (id) {
        id -> Int8,
        hosts_id -> Int8,
        services_id -> Int8,
        direct -> Bool,
        dropped -> Bool,
    }
}

diesel::table! {
    use diesel::sql_types::*;

    services_members_hostgroups (services_members_id, hostgroups_id) {
        services_members_id -> Int8,
        hostgroups_id -> Int8,
    }
}

diesel::table! {
    use diesel::sql_types::*;

    services_sources (services_id) {
        services_id -> Int8,
        sources -> Array<Nullable<Text>>,
        set_by -> Jsonb,
    }
}

diesel::table! {
    use diesel::sql_types::*;

    sessions (id) {
        id -> Uuid,
        secret_hash -> Bytea,
        csrf_token -> Text,
        users_id -> Int8,
        identity -> Text,
        address -> Text,
        user_agent -> Text,
        created_at -> Timestamptz,
        last_seen_at -> Timestamptz,
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    use diesel::sql_types::*;

    signin_failures (subject) {
        subject -> Text,
        failures -> Int4,
        last_failed_at -> Timestamptz,
    }
}

diesel::table! {
    use diesel::sql_types::*;

    signin_links (secret_hash) {
        secret_hash -> Bytea,
        users_id -> Int8,
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    use diesel::sql_types::*;

    tasks (id) {
        id -> Uuid,
        state -> Text,
        result -> Nullable<Text>,
        exit_code -> Nullable<Int4>,
        result_text -> Nullable<Text>,
        summary -> Nullable<Text>,
        perfdata -> Nullable<Text>,
        late -> Bool,
        event_handlers_id -> Nullable<Int8>,
        handler_name -> Text,
        handler_revision -> Int4,
        hosts_id -> Nullable<Int8>,
        host_name -> Text,
        services_id -> Nullable<Int8>,
        service_name -> Text,
        environments -> Array<Nullable<Text>>,
        plugin -> Text,
        argv -> Array<Nullable<Text>>,
        plan_hash -> Bytea,
        parameters -> Jsonb,
        risk -> Text,
        timeout_seconds -> Int4,
        reason -> Nullable<Text>,
        users_id -> Nullable<Int8>,
        requester -> Text,
        identity -> Text,
        token_verb -> Nullable<Text>,
        origin -> Text,
        request_key -> Uuid,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
        started_at -> Nullable<Timestamptz>,
        finished_at -> Nullable<Timestamptz>,
        workers_id -> Nullable<Uuid>,
        epoch -> Nullable<Int8>,
        lease_until -> Nullable<Timestamptz>,
        cancel_requested_at -> Nullable<Timestamptz>,
        cancel_requested_by -> Nullable<Text>,
        percent -> Nullable<Int2>,
        steps -> Jsonb,
        output_bytes -> Int8,
        output_lines -> Int8,
        host_tags -> Array<Nullable<Text>>,
        limited -> Bool,
        retry_of -> Nullable<Uuid>,
        attempt -> Int2,
        repeat_due -> Bool,
        plugin_hashes -> Array<Nullable<Bytea>>,
        kind -> Text,
        secret_parameters -> Array<Nullable<Text>>,
    }
}

diesel::table! {
    use diesel::sql_types::*;

    teams (id) {
        id -> Int8,
        name -> Text,
        name_key -> Text,
    }
}

diesel::table! {
    use diesel::sql_types::*;

    teams_members (teams_id, users_id) {
        teams_id -> Int8,
        users_id -> Int8,
    }
}

diesel::table! {
    use diesel::sql_types::*;

    teams_sources (teams_id) {
        teams_id -> Int8,
        sources -> Array<Nullable<Text>>,
        set_by -> Jsonb,
    }
}

diesel::table! {
    use diesel::sql_types::*;

    typed_secrets (tasks_id, workers_id) {
        tasks_id -> Uuid,
        workers_id -> Uuid,
        sealed -> Bytea,
    }
}

diesel::table! {
    use diesel::sql_types::*;

    users (id) {
        id -> Int8,
        name -> Text,
        name_key -> Text,
        display_name -> Text,
        password_hash -> Nullable<Text>,
        disabled -> Bool,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    use diesel::sql_types::*;

    workers (id) {
        id -> Uuid,
        name -> Text,
        epoch -> Int8,
        version -> Text,
        slots -> Int4,
        running -> Int4,
        stopping -> Bool,
        started_at -> Timestamptz,
        heartbeat_at -> Timestamptz,
        alive_until -> Timestamptz,
        tags -> Array<Nullable<Text>>,
        draining -> Bool,
        sealing_key -> Nullable<Bytea>,
    }
}

diesel::joinable!(api_tokens -> users (users_id));
diesel::joinable!(confirmations -> users (users_id));
diesel::joinable!(environments_members -> environments (environments_id));
diesel::joinable!(environments_members -> hostgroups (hostgroups_id));
diesel::joinable!(environments_members -> hosts (hosts_id));
diesel::joinable!(environments_sources -> environments (environments_id));
diesel::joinable!(event_handler_revisions -> event_handlers (event_handlers_id));
diesel::joinable!(event_handlers_sources -> event_handlers (event_handlers_id));
diesel::joinable!(events_handlers_members -> event_handlers (event_handlers_id));
diesel::joinable!(events_handlers_members -> services_members (services_members_id));
diesel::joinable!(grants -> environments (environments_id));
diesel::joinable!(grants -> event_handlers (event_handlers_id));
diesel::joinable!(grants -> hostgroups (hostgroups_id));
diesel::joinable!(grants -> teams (teams_id));
diesel::joinable!(grants -> users (users_id));
diesel::joinable!(grants_sources -> grants (grants_id));
diesel::joinable!(grants_taken -> environments (environments_id));
diesel::joinable!(grants_taken -> event_handlers (event_handlers_id));
diesel::joinable!(grants_taken -> hostgroups (hostgroups_id));
diesel::joinable!(grants_taken -> teams (teams_id));
diesel::joinable!(grants_taken -> users (users_id));
diesel::joinable!(host_aliases -> hosts (hosts_id));
diesel::joinable!(hostgroups_members -> hostgroups (hostgroups_id));
diesel::joinable!(hostgroups_members -> hosts (hosts_id));
diesel::joinable!(hostgroups_services -> hostgroups (hostgroups_id));
diesel::joinable!(hostgroups_services -> services (services_id));
diesel::joinable!(hostgroups_sources -> hostgroups (hostgroups_id));
diesel::joinable!(hosts_sources -> hosts (hosts_id));
diesel::joinable!(plugins -> workers (workers_id));
diesel::joinable!(schedules -> event_handlers (event_handlers_id));
diesel::joinable!(schedules -> hostgroups (hostgroups_id));
diesel::joinable!(schedules -> hosts (hosts_id));
diesel::joinable!(schedules -> services (services_id));
diesel::joinable!(schedules -> users (users_id));
diesel::joinable!(services_event_handlers -> event_handlers (event_handlers_id));
diesel::joinable!(services_event_handlers -> services (services_id));
diesel::joinable!(services_members -> hosts (hosts_id));
diesel::joinable!(services_members -> services (services_id));
diesel::joinable!(services_members_hostgroups -> hostgroups (hostgroups_id));
diesel::joinable!(services_members_hostgroups -> services_members (services_members_id));
diesel::joinable!(services_sources -> services (services_id));
diesel::joinable!(sessions -> users (users_id));
diesel::joinable!(signin_links -> users (users_id));
diesel::joinable!(tasks -> event_handlers (event_handlers_id));
diesel::joinable!(tasks -> hosts (hosts_id));
diesel::joinable!(tasks -> services (services_id));
diesel::joinable!(tasks -> users (users_id));
diesel::joinable!(tasks -> workers (workers_id));
diesel::joinable!(teams_members -> teams (teams_id));
diesel::joinable!(teams_members -> users (users_id));
diesel::joinable!(teams_sources -> teams (teams_id));

diesel::allow_tables_to_appear_in_same_query!(
    api_tokens,
    audit,
    audit_refusals,
    confirmations,
    environments,
    environments_members,
    environments_sources,
    event_handler_revisions,
    event_handlers,
    event_handlers_sources,
    events_handlers_members,
    grants,
    grants_sources,
    grants_taken,
    host_aliases,
    hostgroups,
    hostgroups_members,
    hostgroups_services,
    hostgroups_sources,
    hosts,
    hosts_sources,
    loads,
    logs,
    plugins,
    schedule_runs,
    schedules,
    services,
    services_event_handlers,
    services_members,
    services_members_hostgroups,
    services_sources,
    sessions,
    signin_failures,
    signin_links,
    tasks,
    teams,
    teams_members,
    teams_sources,
    typed_secrets,
    users,
    workers,
);
