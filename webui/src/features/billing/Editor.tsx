import { useState } from 'react'
import type { HourlyPlan, PricePlan, Tier, TieredPlan } from '@/shared/api/types'
import { texts, useTexts } from '@/shared/i18n/texts'
import { Button } from '@/shared/ui/Button'
import { Field, Segments } from '@/shared/ui/Field'
import { Panel } from '@/shared/ui/Panel'
import { Example } from './Example'
import { type Problem, problems } from './price'
import { problemTexts } from './problemTexts'
import { TierTable } from './TierTable'

const all = texts(
  {
    plan: 'Price plan', method: 'Method', tiered: 'By tokens', hourly: 'By the hour', currency: 'Currency', perHour: 'Price per ready hour', parkedPerHour: 'Price per parked hour',
    cache: 'Cached tokens have their own price', save: 'Save', undo: 'Undo', end: 'No price from now on', config: 'The plan in force comes from config.yaml; one that is saved here takes its place.',
    none: 'No plan is in force: requests cost nothing.', unsaved: 'not saved yet', local: 'This version cannot keep plans; here you can try out how one would bill.',
  },
  {
    plan: '价格方案', method: '计费方式', tiered: '按 token', hourly: '按小时', currency: '货币', perHour: '每就绪小时价格', parkedPerHour: '每休眠小时价格',
    cache: '缓存 token 单独计价', save: '保存', undo: '撤销', end: '从现在起不计费', config: '当前方案来自 config.yaml；在此保存的方案会取代它。',
    none: '当前没有价格方案：请求不计费。', unsaved: '尚未保存', local: '当前版本不能保存方案，可以在这里试算。',
  },
)

/** Nobody's price: what isn't filled in can't be saved. */
const TIER: Tier = { max_input: null, max_output: null, input: '', output: '', cache_read: '', cache_write: '0' }

interface Props {
  plan: PricePlan | null
  fromConfig: boolean
  /** Null: plans cannot be kept. */
  onSave: ((plan: PricePlan) => void) | null
  /** From now on there is no price. */
  onEnd: () => void
  saving: boolean
}

/** Without prices of their own the columns of cached tokens are not shown: nobody can fill them in. */
const withoutCache = (tier: Tier): Tier => ({ ...tier, cache_read: tier.cache_read || '0', cache_write: tier.cache_write || '0' })

/** Both methods are kept while one of them is edited, so that a look at the other loses nothing. */
export function Editor({ plan, fromConfig, onSave, onEnd, saving }: Props) {
  const t = useTexts(all)
  const words = useTexts(problemTexts)
  const start = {
    method: plan?.method ?? 'tiered',
    currency: plan?.currency ?? 'CNY',
    cache_pricing: plan?.method === 'tiered' ? plan.cache_pricing : false,
    tiers: plan?.method === 'tiered' ? plan.tiers : [TIER],
    per_hour: plan?.method === 'hourly' ? plan.per_hour : '',
    parked_per_hour: plan?.method === 'hourly' ? plan.parked_per_hour : '0',
  }
  const [draft, setDraft] = useState(start)
  const set = (change: Partial<typeof start>) => setDraft({ ...draft, ...change })
  const tiered: TieredPlan = { method: 'tiered', currency: draft.currency, cache_pricing: draft.cache_pricing, tiers: draft.cache_pricing ? draft.tiers : draft.tiers.map(withoutCache) }
  const hourly: HourlyPlan = { method: 'hourly', currency: draft.currency, per_hour: draft.per_hour, parked_per_hour: draft.parked_per_hour }
  const edited: PricePlan = draft.method === 'tiered' ? tiered : hourly
  const wrong = problems(edited)
  const changed = plan === null ? JSON.stringify(draft) !== JSON.stringify(start) : JSON.stringify(edited) !== JSON.stringify(plan)
  // A form that nobody has touched has no mistakes.
  const problem = (at: string) => (changed ? tell(wrong.find((one) => one.at === at), words) : null)

  return (
    <div className="grid grid-cols-1 gap-3">
      <Panel
        title={t.plan}
        note={onSave === null ? t.local : plan === null ? t.none : changed ? t.unsaved : fromConfig ? t.config : undefined}
        actions={
          onSave && (
            <>
              <Button small disabled={!changed} onClick={() => setDraft(start)}>
                {t.undo}
              </Button>
              {plan !== null && (
                <Button small disabled={saving} onClick={onEnd}>
                  {t.end}
                </Button>
              )}
              <Button small kind="primary" disabled={!changed || wrong.length > 0 || saving} onClick={() => onSave(edited)}>
                {t.save}
              </Button>
            </>
          )
        }
      >
        <div className="grid grid-cols-1 gap-4">
          <div className="flex flex-wrap items-end gap-x-5 gap-y-3">
            <Segments label={t.method} value={draft.method} onChange={(method) => set({ method })} options={[['tiered', t.tiered], ['hourly', t.hourly]]} />
            <Field label={t.currency} error={problem('currency')} className="w-24">
              {(props) => <input {...props} className="field" value={draft.currency} maxLength={3} onChange={(event) => set({ currency: event.target.value.toUpperCase() })} />}
            </Field>
            {draft.method === 'hourly' && (
              <>
                <Field label={t.perHour} error={problem('per_hour')} className="w-40">
                  {(props) => <input {...props} className="field" inputMode="decimal" value={draft.per_hour} onChange={(event) => set({ per_hour: event.target.value.trim() })} />}
                </Field>
                <Field label={t.parkedPerHour} error={problem('parked_per_hour')} className="w-40">
                  {(props) => <input {...props} className="field" inputMode="decimal" value={draft.parked_per_hour} onChange={(event) => set({ parked_per_hour: event.target.value.trim() })} />}
                </Field>
              </>
            )}
            {draft.method === 'tiered' && (
              <label className="flex h-8 items-center gap-2">
                <input type="checkbox" className="size-4 accent-(--accent)" checked={draft.cache_pricing} onChange={(event) => set({ cache_pricing: event.target.checked })} />
                {t.cache}
              </label>
            )}
          </div>
          {draft.method === 'tiered' && (
            <TierTable
              tiers={draft.tiers}
              cache={draft.cache_pricing}
              onChange={(tiers) => set({ tiers })}
              problem={problem}
              fresh={draft.tiers.at(-1) ?? TIER}
            />
          )}
        </div>
      </Panel>
      <Example plan={edited} valid={wrong.length === 0} />
    </div>
  )
}

function tell(problem: Problem | undefined, words: (typeof problemTexts)['en']): string | null {
  if (!problem) return null
  return problem.wrong === 'unreachable' ? words.unreachable((problem.by ?? 0) + 1) : words[problem.wrong]
}
