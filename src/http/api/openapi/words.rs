//! What the operations do, in a sentence or two: `description` of the OpenAPI document, and the table of
//! `docs/reference/api.md`. An operation without one has its summary there.

/// Method, path, words.
pub(super) const WORDS: &[(&str, &str, &str)] = &[
    ("get", "/api/billing/{model}", "the price plan in force, and the history, newest first"),
    (
        "put",
        "/api/billing/{model}",
        "sets a new plan from now on, or from `valid_from`; past prices don't change. It stays until `billing:` in the configuration changes",
    ),
    (
        "get",
        "/api/config",
        "the configuration: `{path, text, version, writable, live_reload, restart_needed, needs_restart, reload_needed, refused}`; `refused` has the problems of the last file that was not applied",
    ),
    (
        "put",
        "/api/config",
        "`{\"text\",\"version\"}`: replaces it, if it has no errors and `version` is still that of the file, and applies it; `{restart_needed, backup, version, plan, error}`; `error`: saved, but not applied",
    ),
    (
        "post",
        "/api/config/check",
        "`{\"text\"}`: what `llm-manager check` would report, as `{problems, warnings}` of `{path, line, message, hint}`, and the `plan` of a reload with it",
    ),
    (
        "get",
        "/api/config/files",
        "`folder` (default: that of the configuration) with its folders, weights and scripts, for whoever adds a model: `{folder, written, parent, entries: [{name, path, written, bytes}], cut}`; `written` is the path as the configuration has it",
    ),
    ("get", "/api/config/schema", "what `llm-manager schema` prints"),
    (
        "post",
        "/api/debug/panic/{name}",
        "makes the model's actor panic (`scheduler`, `devices`, `gateway-0`: these); only with `LLM_MANAGER_FAULT_INJECTION` set; for tests",
    ),
    (
        "get",
        "/api/devices",
        "all devices: memory, use, and which models hold what; where a model may run on a cluster, its nodes with their jobs too (`cluster`)",
    ),
    (
        "post",
        "/api/devices/{device}/pause",
        "\"not now\": until `?minutes=120` or `?until=TIME` are over (a week at the most), no model is started on the devices that this entry of `required_devices` (or id) means; idle models on them stop at once, busy ones when their responses have ended. Requests that need the device get 503 with the time. Answers the devices",
    ),
    ("post", "/api/devices/{device}/resume", "models may use them again"),
    ("get", "/api/devices/history", "their readings of the last hour, one point per ten seconds"),
    (
        "get",
        "/api/events",
        "SSE: a `snapshot` first, then `model` and `supervision` as they change (changes of leases or waiting alone: once a second), `devices` and `throughput` once a second",
    ),
    (
        "get",
        "/api/leadership",
        "of managers that share a ledger and a cluster (`program.shared`): whether this one leads and may start and stop models now, and where the one that leads and the others are ([more](../operations/several-managers.md))",
    ),
    ("get", "/api/logs", "the manager's own log, with the same parameters"),
    (
        "get",
        "/api/models",
        "all models with state, pid, port, leases, waiting, idle time left, last error, and its replicas",
    ),
    ("post", "/api/models/restart-autostart", "restarts those with `auto_start: true`"),
    ("post", "/api/models/stop-all", "stops every model"),
    (
        "get",
        "/api/models/{name}",
        "one of them, with its variants, why the running one was chosen, and its last 20 runs",
    ),
    (
        "get",
        "/api/models/{name}/logs",
        "what its backend printed: the last 200 lines, `?tail=N`; `?follow=true` continues as SSE",
    ),
    ("get", "/api/models/{name}/placement", "what would happen if it were started now"),
    ("post", "/api/models/{name}/restart", "stops it and starts a fresh backend"),
    (
        "post",
        "/api/models/{name}/park",
        "parks it once its responses have finished, and returns when it is parked; 409 if it can't be: no `park`, no room, not ready",
    ),
    ("post", "/api/models/{name}/start", "starts it, and returns when it is ready; wakes a parked one"),
    ("post", "/api/models/{name}/wake", "the same as `start`, in the words of `park`"),
    (
        "post",
        "/api/models/{name}/stop",
        "stops it, and returns when it has stopped; aborts a start; `?now=true` cuts running responses off",
    ),
    ("get", "/api/openapi.json", "this API as OpenAPI 3.1"),
    (
        "get",
        "/api/notify",
        "the entries of [`notify`](../operations/notify.md): `[{name, format, to, events, waiting, sent, left_out, last_sent, last_error, next_try_seconds}]`; no secrets",
    ),
    (
        "post",
        "/api/notify/{name}/test",
        "sends a test there at once, past what waits: `{name, error}`, `error` null: it has arrived",
    ),
    ("get", "/api/pause", "whether requests may start models"),
    (
        "post",
        "/api/pause",
        "pauses starts: a request for a model that isn't running is refused with `model_stopped`; an operator's own start still works",
    ),
    (
        "get",
        "/api/requests",
        "the request log, newest first, `{rows, next}`; the filters above, `outcome`, `status`, `request_id`, `run_id`; `limit` (100, at most 1000), `after=` the `next` of the previous page; `shares=true`; with `Accept: text/csv`, everything as CSV. `asked_model`, `stream`, `user_agent` and `address` are null in rows of versions that didn't record them; `captured`: its bodies are [kept](../operations/captures.md)",
    ),
    (
        "post",
        "/api/restart",
        "returns 202, shuts down as on SIGTERM, then starts again with the current file; 409 if the file has errors; Linux only (501 elsewhere)",
    ),
    ("post", "/api/resume", "requests may start models again"),
    (
        "get",
        "/api/runs",
        "runs of backends from the ledger, newest first: when and why each ended (`cause`, `evicted_for`), who started and ended it (`started_by`, `ended_by`), paid time, when it was parked (`parked`, `parked_seconds`), cost, energy; `model`, `from`, `to`, `limit` (100, at most 10000)",
    ),
    (
        "get",
        "/api/runs/{id}",
        "one run with the times of its start: `asked_at`, `placed_at`, `victims_gone_at`, `memory_free_at`, `launched_at`, `port_open_at`, `ready_at`, `first_byte_at`, and the variables that it inherited (`inherited`)",
    ),
    ("get", "/api/runs/{id}/shares", "the price of a run, divided among its requests"),
    ("delete", "/api/session", "removes the cookie from the browser"),
    ("get", "/api/session", "`{key_wanted, signed_in, key}`; open"),
    (
        "post",
        "/api/session",
        "sign-in of a browser: `{\"key\":K}` gives a cookie that opens what the key opens; open",
    ),
    ("post", "/api/shutdown", "ends the manager, as SIGTERM does"),
    (
        "get",
        "/api/storage",
        "rows and bytes of each model, `retention_days`; `orphan`: the model is no longer in the configuration",
    ),
    ("delete", "/api/storage/{model}", "deletes a model's requests and runs, and the bodies that were kept"),
    (
        "post",
        "/api/storage/{model}/rename",
        "`{\"to\":\"NEW\"}`: renames the data of a removed model; with `\"merge\":true` also to a name that already has data",
    ),
    ("get", "/api/supervision", "the tree of actors: state, restarts, the reason of each one's last exit"),
    (
        "get",
        "/api/usage/series",
        "the same without latency as a series (default: the last 24 hours): `bucket=minute`, `quarter` (of an hour), `hour`, `day`, `week` or `month` in the time zone `tz=Europe/Berlin`",
    ),
    ("get", "/api/usage/session", "the summary since the manager's start"),
    (
        "get",
        "/api/usage/summary",
        "requests, tokens, cost and latency (of requests with a response) from `?from` to `to` (default: the last 30 days); filters `model`, `variant`, `mode`, `endpoint`, `api_key` (comma-separated lists); `by=` one or more of these for groups, each with its `keys`",
    ),
    ("get", "/health", "returns `{\"status\":\"ok\"}` once it serves"),
    (
        "get",
        "/metrics",
        "metrics for Prometheus, as OpenMetrics text: models, requests, tokens, cost, times, devices, ledger, restarts",
    ),
    (
        "get",
        "/metrics/backends",
        "what ready backends say of themselves, for Prometheus, with the label `model`: see [Metrics](metrics.md#the-backends-own-metrics)",
    ),
    ("get", "/v1/models", "names and aliases of all models, in OpenAI's form"),
    ("get", "/v1/models/{id}", "one of them"),
    (
        "get",
        "/api/audit",
        "who did what, newest first: see [who did it](../operations/security.md#who-did-it); `from`, `to`, `model`, `who`, `limit` (100, at most 1000), `before`",
    ),
    (
        "get",
        "/api/queue",
        "requests that wait, in order: `[{id, model, api_key, class, place, waits_for, seconds, estimate_seconds}]`; `place` counts from 1 within a model; the estimate is what is left of a start by the model's last one, null if nobody knows",
    ),
    (
        "get",
        "/api/requests/running",
        "requests that a backend has and whose response has not ended, the oldest first: `[{id, model, api_key, class, variant, run_id, queue_seconds, seconds}]`; `seconds` since the backend got it, `queue_seconds` before that",
    ),
    (
        "get",
        "/api/requests/{id}/capture",
        "what is kept of a request to a model with `capture: true`: [both bodies and headers](../operations/captures.md), and the whole answer that a stream comes to; `id` is its `x-request-id`, `started_at` tells apart those that share one; admins only, and in the audit; 404 `request_not_found` if nothing is kept",
    ),
    (
        "delete",
        "/api/requests/{id}/capture",
        "deletes what is kept of a request: `{request_id, deleted}`; admins only",
    ),
    (
        "post",
        "/api/requests/{id}/cancel",
        "ends a request that waits or runs: `{id, was}`, `was` is `waiting` or `running`; its client gets `request_cancelled`, in a stream as an error event; `id` is its `x-request-id`; 404 `request_not_found` if none is heard of within a second",
    ),
    (
        "get",
        "/api/keys",
        "all keys without their secrets: `{keys: [{name, source, scopes, models, expires, expired, requests_per_minute, tokens_per_minute, budget: {period, amount, unit, left}, priority, max_priority, loading_comments}]}`, `source` being `made`, or `keys` or `api_keys` of the configuration; admins only, as the next three ([more](../operations/keys.md))",
    ),
    (
        "post",
        "/api/keys",
        "`{\"name\",\"scopes\",\"models\",\"expires\",\"requests_per_minute\",\"tokens_per_minute\",\"budget\",\"priority\",\"max_priority\",\"loading_comments\"}`, all but the name optional; `budget` as in `\"20 CNY/month\"` or `\"1000000/day\"`; `{name, secret}`: the secret is shown once",
    ),
    ("post", "/api/keys/{name}/rotate", "another secret for a key that was made so; `{name, secret}`"),
    ("delete", "/api/keys/{name}", "revokes it"),
    (
        "get",
        "/api/models/{name}/memory",
        "[what its memory is made of](../concepts/memory.md), by variant: declared, measured, estimated",
    ),
    (
        "get",
        "/api/runs/{id}/logs",
        "what its backend printed, from the [files](../operations/logs.md#output-of-runs): the last 200 lines, `?tail=N`; `since`, `grep`",
    ),
    (
        "post",
        "/api/config/reload",
        "applies the file as it is now: `{changed, restarted, needs_restart, added, removed, lines, warnings}`; `?dry_run=true` only reports it; 400 `invalid_config` with the problems ([more](../operations/reload.md))",
    ),
];
