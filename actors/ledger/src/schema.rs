//! The tables of the ledger, as `migrations/` makes them; a test compares the two.

diesel::table! {
    meta (name) {
        name -> Text,
        value -> Text,
    }
}

diesel::table! {
    program_runs (id) {
        id -> BigInt,
        started_us -> BigInt,
        heartbeat_us -> BigInt,
        ended_us -> Nullable<BigInt>,
        version -> Text,
    }
}

diesel::table! {
    models (id) {
        id -> BigInt,
        name -> Nullable<Text>,
        first_seen_us -> BigInt,
    }
}

diesel::table! {
    renames (id) {
        id -> BigInt,
        model_id -> BigInt,
        old_name -> Text,
        new_name -> Text,
        at_us -> BigInt,
    }
}

diesel::table! {
    facets (id) {
        id -> BigInt,
        model_id -> BigInt,
        variant -> Text,
        mode -> Text,
        endpoint -> Text,
        api_key -> Text,
        currency -> Text,
        row_count -> BigInt,
        byte_count -> BigInt,
    }
}

diesel::table! {
    request_rows (id) {
        id -> BigInt,
        tag -> BigInt,
        facet_id -> BigInt,
        duration_us -> BigInt,
        queue_us -> BigInt,
        first_byte_us -> Nullable<BigInt>,
        status -> BigInt,
        outcome -> Nullable<Text>,
        input -> Nullable<BigInt>,
        cached -> Nullable<BigInt>,
        cache_write -> Nullable<BigInt>,
        output -> Nullable<BigInt>,
        reasoning -> Nullable<BigInt>,
        usage_source -> Nullable<Text>,
        cost -> Nullable<BigInt>,
        pricing -> Nullable<Text>,
        plan_id -> Nullable<BigInt>,
        run_id -> Nullable<BigInt>,
        replayed -> Bool,
        request_id -> Nullable<Text>,
        error -> Nullable<Text>,
        sender_id -> Nullable<BigInt>,
    }
}

diesel::table! {
    senders (id) {
        id -> BigInt,
        model_id -> BigInt,
        address -> Text,
        user_agent -> Text,
        asked_model -> Text,
        stream -> Bool,
        until_us -> BigInt,
    }
}

diesel::table! {
    rollups (level, start_us, facet_id) {
        level -> BigInt,
        start_us -> BigInt,
        facet_id -> BigInt,
        requests -> BigInt,
        failed -> BigInt,
        rejected -> BigInt,
        client_left -> BigInt,
        refused -> BigInt,
        cancelled -> BigInt,
        replayed -> BigInt,
        estimated -> BigInt,
        unrecorded -> BigInt,
        unpriced -> BigInt,
        input -> BigInt,
        cached -> BigInt,
        cache_write -> BigInt,
        output -> BigInt,
        reasoning -> BigInt,
        cost -> BigInt,
        duration_us -> BigInt,
        queue_us -> BigInt,
        first_byte_us -> BigInt,
        first_bytes -> BigInt,
    }
}

diesel::table! {
    model_rollups (level, start_us, facet_id) {
        level -> BigInt,
        start_us -> BigInt,
        facet_id -> BigInt,
        requests -> BigInt,
        failed -> BigInt,
        rejected -> BigInt,
        client_left -> BigInt,
        refused -> BigInt,
        cancelled -> BigInt,
        replayed -> BigInt,
        estimated -> BigInt,
        unrecorded -> BigInt,
        unpriced -> BigInt,
        input -> BigInt,
        cached -> BigInt,
        cache_write -> BigInt,
        output -> BigInt,
        reasoning -> BigInt,
        cost -> BigInt,
        duration_us -> BigInt,
        queue_us -> BigInt,
        first_byte_us -> BigInt,
        first_bytes -> BigInt,
    }
}

diesel::table! {
    latencies (level, start_us, facet_id) {
        level -> BigInt,
        start_us -> BigInt,
        facet_id -> BigInt,
        histogram -> Text,
    }
}

diesel::table! {
    runs (id) {
        id -> BigInt,
        model_id -> BigInt,
        variant -> Text,
        started_us -> BigInt,
        ready_us -> Nullable<BigInt>,
        heartbeat_us -> BigInt,
        ended_us -> Nullable<BigInt>,
        end_reason -> Nullable<Text>,
        bill_loading -> Bool,
        energy_mj -> Nullable<BigInt>,
        energy_cost -> Nullable<BigInt>,
        energy_currency -> Nullable<Text>,
        queued_us -> Nullable<BigInt>,
        cause -> Nullable<Text>,
        evicted_for -> Nullable<Text>,
        started_by -> Nullable<Text>,
        ended_by -> Nullable<Text>,
    }
}

diesel::table! {
    parkings (run_id, from_us) {
        run_id -> BigInt,
        from_us -> BigInt,
        to_us -> Nullable<BigInt>,
    }
}

diesel::table! {
    price_plans (id) {
        id -> BigInt,
        model_id -> BigInt,
        valid_from_us -> BigInt,
        created_us -> BigInt,
        source -> Text,
        method -> Text,
        currency -> Text,
        cache_pricing -> Bool,
        per_hour -> Nullable<BigInt>,
        parked_per_hour -> Nullable<BigInt>,
    }
}

diesel::table! {
    tiers (plan_id, position) {
        plan_id -> BigInt,
        position -> BigInt,
        max_input -> Nullable<BigInt>,
        max_output -> Nullable<BigInt>,
        input -> BigInt,
        output -> BigInt,
        cache_read -> BigInt,
        cache_write -> BigInt,
    }
}

diesel::table! {
    audit (id) {
        id -> BigInt,
        key -> Binary,
        at_us -> BigInt,
        kind -> Text,
        who -> Text,
        address -> Nullable<Text>,
        action -> Text,
        subject -> Nullable<Text>,
        detail -> Nullable<Text>,
    }
}

diesel::table! {
    shared_lease (id) {
        id -> BigInt,
        token -> BigInt,
        renewals -> BigInt,
        holder -> Text,
        address -> Text,
        replicas -> Text,
    }
}

diesel::table! {
    shared_managers (name) {
        name -> Text,
        address -> Text,
        beats -> BigInt,
        wishes -> Text,
    }
}

diesel::joinable!(facets -> models (model_id));
diesel::joinable!(request_rows -> facets (facet_id));
diesel::joinable!(runs -> models (model_id));

diesel::allow_tables_to_appear_in_same_query!(
    meta,
    program_runs,
    models,
    renames,
    facets,
    request_rows,
    senders,
    rollups,
    model_rollups,
    latencies,
    runs,
    parkings,
    price_plans,
    tiers,
    audit
);
