/** Prices of contract section 6, exactly as actors/policy/src/pricing.rs has them. */
import type { PricePlan, Tier, TieredPlan } from '@/shared/api/types'
import { add, type Decimal, decimal, divide, multiply, shift, text, whole, ZERO } from '@/shared/money/decimal'

export interface Tokens {
  input: number
  cached: number
  output: number
}

export interface Priced {
  /** From 0. */
  tier: number
  /** Of the uncached input, or of all of it without `cache_pricing`. */
  input: Decimal
  cached: Decimal
  output: Decimal
  total: Decimal
  /** Tokens that are priced as input. */
  paidInput: number
  paidCached: number
}

/** A price is per million tokens. */
function ofTokens(price: string, tokens: number): Decimal {
  return shift(multiply(decimal(price) ?? ZERO, whole(tokens)), 6)
}

export function fits(tier: Tier, input: number, output: number): boolean {
  return (tier.max_input === null || input <= tier.max_input) && (tier.max_output === null || output <= tier.max_output)
}

/** The first tier that fits prices the whole request. Null: none fits, and the request is marked unpriced. */
export function priceOfRequest(plan: TieredPlan, tokens: Tokens): Priced | null {
  const { input, output } = tokens
  const nth = plan.tiers.findIndex((tier) => fits(tier, input, output))
  const tier = plan.tiers[nth]
  if (!tier) return null
  const cached = plan.cache_pricing ? Math.min(tokens.cached, input) : 0
  const uncached = input - cached
  const parts = {
    tier: nth,
    input: plan.cache_pricing ? add(ofTokens(tier.input, uncached), ofTokens(tier.cache_write, uncached)) : ofTokens(tier.input, input),
    cached: ofTokens(tier.cache_read, cached),
    output: ofTokens(tier.output, output),
    paidInput: uncached,
    paidCached: cached,
  }
  return { ...parts, total: add(add(parts.input, parts.cached), parts.output) }
}

const MONEY_DIGITS = 12

/** Ready time to the second x price per hour. */
export function priceOfTime(perHour: string, seconds: number): Decimal {
  return divide(multiply(decimal(perHour) ?? ZERO, whole(Math.round(seconds))), 3600n, MONEY_DIGITS)
}

export interface Problem {
  /** The path of the key, such as `tiers[2].input`. */
  at: string
  wrong: 'missing' | 'decimal' | 'digits' | 'currency' | 'no_tiers' | 'too_many_tiers' | 'unreachable' | 'limit'
  /** Of `unreachable`: the tier that is used instead. */
  by?: number
}

const MAX_TIERS = 64
const PRICE_DIGITS = 6
const MOST = 10n ** 12n

function priceProblem(at: string, value: string): Problem[] {
  if (!value.trim()) return [{ at, wrong: 'missing' }]
  const price = decimal(value)
  if (!price || price.units < 0n || price.units > MOST * 10n ** BigInt(price.scale)) return [{ at, wrong: 'decimal' }]
  const digits = text(price).split('.')[1]?.length ?? 0
  return digits > PRICE_DIGITS ? [{ at, wrong: 'digits' }] : []
}

function covers(a: Tier, b: Tier): boolean {
  const wider = (mine: number | null, theirs: number | null) => mine === null || (theirs !== null && mine >= theirs)
  return wider(a.max_input, b.max_input) && wider(a.max_output, b.max_output)
}

/** All that is wrong with a plan, at once. */
export function problems(plan: PricePlan): Problem[] {
  const found: Problem[] = /^[A-Z]{3}$/.test(plan.currency) ? [] : [{ at: 'currency', wrong: 'currency' }]
  if (plan.method === 'hourly') return [...found, ...priceProblem('per_hour', plan.per_hour), ...priceProblem('parked_per_hour', plan.parked_per_hour)]
  if (plan.tiers.length === 0) found.push({ at: 'tiers', wrong: 'no_tiers' })
  if (plan.tiers.length > MAX_TIERS) found.push({ at: 'tiers', wrong: 'too_many_tiers' })
  plan.tiers.forEach((tier, nth) => {
    for (const limit of ['max_input', 'max_output'] as const) {
      const value = tier[limit]
      if (value !== null && !(Number.isSafeInteger(value) && value >= 0)) found.push({ at: `tiers[${nth}].${limit}`, wrong: 'limit' })
    }
    for (const key of ['input', 'output'] as const) found.push(...priceProblem(`tiers[${nth}].${key}`, tier[key]))
    if (plan.cache_pricing) for (const key of ['cache_read', 'cache_write'] as const) found.push(...priceProblem(`tiers[${nth}].${key}`, tier[key]))
    const by = plan.tiers.slice(0, nth).findIndex((earlier) => covers(earlier, tier))
    if (by >= 0) found.push({ at: `tiers[${nth}]`, wrong: 'unreachable', by })
  })
  return found
}
