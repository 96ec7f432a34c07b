/** What one request, or one run, would cost by the plan as it is being edited. */
import { useState } from 'react'
import type { PricePlan } from '@/shared/api/types'
import { count } from '@/shared/format/number'
import { useLanguage } from '@/shared/i18n/language'
import { texts, useTexts } from '@/shared/i18n/texts'
import { type Decimal, text } from '@/shared/money/decimal'
import { money } from '@/shared/money/money'
import { Field } from '@/shared/ui/Field'
import { Panel } from '@/shared/ui/Panel'
import { priceOfRequest, priceOfTime } from './price'

const all = texts(
  {
    title: 'Worked example', input: 'Input tokens', cached: 'of them cached', output: 'Output tokens', hours: 'Ready hours', part: 'Part', tokens: 'Tokens', price: 'Per million',
    cost: 'Cost', total: 'Total', paidInput: 'Input', paidCached: 'Cached input', paidOutput: 'Output', tier: (n: number) => `Tier ${n} fits first and prices the whole request.`,
    none: 'No tier fits: the request costs 0 and is marked unpriced.', invalid: 'The plan has to be valid first.', written: 'input + cache write',
  },
  {
    title: '计算示例', input: '输入 token', cached: '其中缓存', output: '输出 token', hours: '就绪小时数', part: '项目', tokens: 'token', price: '每百万',
    cost: '费用', total: '合计', paidInput: '输入', paidCached: '缓存输入', paidOutput: '输出', tier: (n: number) => `第 ${n} 档最先符合，整个请求按它计价。`,
    none: '没有符合的档：该请求费用为 0，并标记为未计价。', invalid: '请先修正方案。', written: '输入 + 缓存写入',
  },
)

const number = (value: string) => (/^\d+$/.test(value) ? Number(value) : 0)

export function Example({ plan, valid }: { plan: PricePlan; valid: boolean }) {
  const t = useTexts(all)
  const [input, setInput] = useState('12000')
  const [cached, setCached] = useState('4000')
  const [output, setOutput] = useState('800')
  const [hours, setHours] = useState('2.5')
  const fields: [string, string, (value: string) => void][] =
    plan.method === 'tiered' ? [[t.input, input, setInput], [t.cached, cached, setCached], [t.output, output, setOutput]] : [[t.hours, hours, setHours]]
  return (
    <Panel title={t.title}>
      <div className="grid gap-4 md:grid-cols-[15rem_minmax(0,1fr)]">
        <div className="grid content-start gap-3">
          {fields.map(([label, value, set]) => (
            <Field key={label} label={label}>
              {(props) => <input {...props} className="field" inputMode="decimal" value={value} onChange={(event) => set(event.target.value.trim())} />}
            </Field>
          ))}
        </div>
        <div aria-live="polite" data-testid="example">
          {!valid ? (
            <p className="text-muted">{t.invalid}</p>
          ) : plan.method === 'hourly' ? (
            <p className="text-[1.3rem] font-semibold" data-testid="example-total">
              {money(text(priceOfTime(plan.per_hour, Number(hours) * 3600 || 0)), plan.currency, 6)}
            </p>
          ) : (
            <Parts plan={plan} input={number(input)} cached={number(cached)} output={number(output)} />
          )}
        </div>
      </div>
    </Panel>
  )
}

interface PartsProps {
  plan: Extract<PricePlan, { method: 'tiered' }>
  input: number
  cached: number
  output: number
}

function Parts({ plan, input, cached, output }: PartsProps) {
  const t = useTexts(all)
  const language = useLanguage()
  const priced = priceOfRequest(plan, { input, cached, output })
  const tier = priced && plan.tiers[priced.tier]
  if (!tier) return <p className="text-warn">{t.none}</p>
  const rows: [string, number, string, Decimal][] = [
    [t.paidInput, priced.paidInput, plan.cache_pricing ? `${tier.input} + ${tier.cache_write}` : tier.input, priced.input],
    ...(plan.cache_pricing ? [[t.paidCached, priced.paidCached, tier.cache_read, priced.cached] as [string, number, string, Decimal]] : []),
    [t.paidOutput, output, tier.output, priced.output],
  ]
  return (
    <>
      <p className="mb-2">{t.tier(priced.tier + 1)}</p>
      <table className="w-full max-w-xl">
        <thead>
          <tr>
            <th scope="col" className="th pl-0!">{t.part}</th>
            <th scope="col" className="th num">{t.tokens}</th>
            <th scope="col" className="th num">{t.price}</th>
            <th scope="col" className="th num">{t.cost}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(([name, tokens, price, cost]) => (
            <tr key={name}>
              <th scope="row" className="td pl-0! text-left font-normal">{name}</th>
              <td className="td num">{count(tokens, language)}</td>
              <td className="td num">{price}</td>
              <td className="td num">{text(cost)}</td>
            </tr>
          ))}
        </tbody>
        <tfoot>
          <tr className="font-semibold">
            <th scope="row" colSpan={3} className="td border-t-line-strong! pl-0! text-left">{t.total}</th>
            <td className="td num border-t-line-strong!" data-testid="example-total">{money(text(priced.total), plan.currency, 12)}</td>
          </tr>
        </tfoot>
      </table>
    </>
  )
}
