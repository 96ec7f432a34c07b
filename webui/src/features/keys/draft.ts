/** A key that is being written, as texts, and what is asked for with it. */
import { CLASSES, type Scope, type Wanted } from './keys'

export interface Draft {
  name: string
  scopes: Scope[]
  models: string
  /** `2027-01-31`; its last day. */
  expires: string
  requests: string
  tokens: string
  budget: string
  /** `tokens`, or a currency. */
  unit: string
  period: 'day' | 'month'
  priority: string
  /** The highest class that a request may ask for. */
  most: string
}

export const EMPTY: Draft = { name: '', scopes: ['infer'], models: '', expires: '', requests: '', tokens: '', budget: '', unit: 'tokens', period: 'month', priority: '', most: '' }

export type Wrong = 'number' | 'amount' | 'unit' | 'date' | 'scopes' | 'below'

export function wantedOf(draft: Draft): { wanted: Wanted; wrong: Partial<Record<keyof Draft, Wrong>> } {
  const wrong: Partial<Record<keyof Draft, Wrong>> = {}
  const wanted: Wanted = { name: draft.name.trim(), scopes: draft.scopes }
  if (draft.scopes.length === 0) wrong.scopes = 'scopes'
  const models = draft.models.split(',').map((model) => model.trim()).filter(Boolean)
  if (models.length > 0) wanted.models = models
  if (draft.expires) {
    const [year, month, day] = draft.expires.split('-').map(Number)
    const end = new Date(year ?? NaN, (month ?? NaN) - 1, (day ?? NaN) + 1)
    if (Number.isNaN(end.getTime())) wrong.expires = 'date'
    else wanted.expires = end.toISOString()
  }
  const number = (name: 'requests' | 'tokens', to: 'requests_per_minute' | 'tokens_per_minute') => {
    const text = draft[name].trim()
    if (!text) return
    if (/^[1-9]\d{0,14}$/.test(text)) wanted[to] = Number(text)
    else wrong[name] = 'number'
  }
  number('requests', 'requests_per_minute')
  number('tokens', 'tokens_per_minute')
  const amount = draft.budget.trim()
  if (amount) {
    const unit = draft.unit.trim()
    if (unit === 'tokens') {
      if (/^[1-9]\d*$/.test(amount)) wanted.budget = `${amount}/${draft.period}`
      else wrong.budget = 'number'
    } else if (!/^[A-Z]{3}$/.test(unit)) wrong.unit = 'unit'
    else if (/^\d+(\.\d+)?$/.test(amount)) wanted.budget = `${amount} ${unit}/${draft.period}`
    else wrong.budget = 'amount'
  }
  if (draft.priority) wanted.priority = draft.priority
  const rank = (name: string) => (CLASSES as readonly string[]).indexOf(name)
  if (draft.most && draft.priority && rank(draft.most) > rank(draft.priority)) wrong.most = 'below'
  else if (draft.most) wanted.max_priority = draft.most
  return { wanted, wrong }
}
