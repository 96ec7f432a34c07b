/** Live state: what `/api/events` has told so far. A pure function of the events; it never reads a clock. */
import type { DeviceView, ModelState, ModelView, ServerEvent, Throughput } from '@/shared/api/types'

/** A model, and when its numbers were true (ms): countdowns go on from there. */
export interface LiveModel extends ModelView {
  seenAt: number
}

export type Connection = 'connecting' | 'live' | 'lost'

/** Something that happened, newest first in `LiveState.notices`. */
export type Notice =
  | { id: number; at: number; kind: 'state'; model: string; from: ModelState; to: ModelState; error: string | null }
  | { id: number; at: number; kind: 'supervision'; path: string; message: string }

export interface DevicePoint {
  at: number
  devices: DeviceView[]
}

export interface LiveState {
  connection: Connection
  /** Since when the connection is as it is. */
  connectionSince: number
  /** False until the first snapshot. */
  loaded: boolean
  /** Names in the order of the configuration. */
  order: readonly string[]
  models: Readonly<Record<string, LiveModel>>
  /** Null until the manager tells about devices. */
  devices: readonly DeviceView[] | null
  deviceHistory: readonly DevicePoint[]
  throughput: readonly Throughput[]
  notices: readonly Notice[]
}

/** What the connection says, besides the server's own events. */
export type LiveEvent =
  | ServerEvent
  | { type: 'opened' }
  | { type: 'lost' }
  /** The models as an order for many of them was answered. */
  | { type: 'refreshed'; data: ModelView[]; askedAt: number }

export const NOTICES = 200
/** Ten minutes at one a second. */
export const HISTORY = 600

export function initialState(now: number): LiveState {
  return {
    connection: 'connecting',
    connectionSince: now,
    loaded: false,
    order: [],
    models: {},
    devices: null,
    deviceHistory: [],
    throughput: [],
    notices: [],
  }
}

export function reduce(state: LiveState, event: LiveEvent, now: number): LiveState {
  switch (event.type) {
    case 'opened':
      return state.connection === 'live' ? state : { ...state, connection: 'live', connectionSince: now }
    case 'lost':
      return state.connection === 'lost' ? state : { ...state, connection: 'lost', connectionSince: now }
    case 'snapshot':
      return withAll(state, event.data.models, now)
    case 'model':
      return withModel(state, event.data, now)
    case 'refreshed': {
      // An event that came after the question knows better than the answer.
      const fresh = event.data.filter((model) => (state.models[model.name]?.seenAt ?? 0) <= event.askedAt)
      return fresh.reduce((so_far, model) => withModel(so_far, model, now), state)
    }
    case 'supervision':
      return withNotice(state, { kind: 'supervision', at: now, ...event.data })
    case 'devices':
      return withDevices(state, event.data, now)
    case 'throughput':
      return { ...state, throughput: [...state.throughput, event.data].slice(-HISTORY) }
    default:
      // A newer manager may tell more.
      return state
  }
}

function withAll(state: LiveState, models: ModelView[], now: number): LiveState {
  const changed = state.loaded ? models.reduce((so_far, model) => noteChange(so_far, model, now), state) : state
  return {
    ...changed,
    loaded: true,
    order: models.map((model) => model.name),
    models: Object.fromEntries(models.map((model) => [model.name, { ...model, seenAt: now }])),
  }
}

function withModel(state: LiveState, model: ModelView, now: number): LiveState {
  const known = model.name in state.models
  return {
    ...noteChange(state, model, now),
    order: known ? state.order : [...state.order, model.name],
    models: { ...state.models, [model.name]: { ...model, seenAt: now } },
  }
}

function noteChange(state: LiveState, model: ModelView, now: number): LiveState {
  const before = state.models[model.name]
  if (!before || before.state === model.state) return state
  const error = model.last_error !== before.last_error || model.state === 'failed' ? model.last_error : null
  return withNotice(state, { kind: 'state', at: now, model: model.name, from: before.state, to: model.state, error })
}

type NewNotice = Notice extends infer N ? (N extends Notice ? Omit<N, 'id'> : never) : never

function withNotice(state: LiveState, notice: NewNotice): LiveState {
  const id = (state.notices[0]?.id ?? 0) + 1
  return { ...state, notices: [{ ...notice, id }, ...state.notices].slice(0, NOTICES) }
}

function withDevices(state: LiveState, devices: DeviceView[], now: number): LiveState {
  return { ...state, devices, deviceHistory: [...state.deviceHistory, { at: now, devices }].slice(-HISTORY) }
}

/** Seconds until an idle model is stopped, counted on from when it was told. */
export function idleLeft(model: LiveModel, now: number): number | null {
  if (model.idle_seconds_left == null) return null
  return Math.max(0, model.idle_seconds_left - (now - model.seenAt) / 1000)
}
