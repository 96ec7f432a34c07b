import { ArrowDown, ArrowUp, Plus, Trash2 } from 'lucide-react'
import type { Tier } from '@/shared/api/types'
import { texts, useTexts } from '@/shared/i18n/texts'
import { Button, IconButton } from '@/shared/ui/Button'
import { ScrollBox } from '@/shared/ui/ScrollBox'

const all = texts(
  {
    tier: 'Tier', tiers: 'Tiers', max_input: 'Input up to', max_output: 'Output up to', input: 'Input', output: 'Output', cache_read: 'Cached input', cache_write: 'Cache write',
    any: 'any', add: 'Add tier', remove: (n: number) => `Remove tier ${n}`, up: (n: number) => `Move tier ${n} up`, down: (n: number) => `Move tier ${n} down`,
    cell: (what: string, n: number) => `${what}, tier ${n}`, note: 'Limits are tokens; prices are per million tokens. The first tier that fits a request prices all of it.',
    actions: 'Order',
  },
  {
    tier: '档', tiers: '价格档', max_input: '输入上限', max_output: '输出上限', input: '输入', output: '输出', cache_read: '缓存读取', cache_write: '缓存写入',
    any: '不限', add: '增加一档', remove: (n: number) => `删除第 ${n} 档`, up: (n: number) => `上移第 ${n} 档`, down: (n: number) => `下移第 ${n} 档`,
    cell: (what: string, n: number) => `第 ${n} 档：${what}`, note: '上限为 token 数，价格为每百万 token。请求整体按第一个符合的档计价。',
    actions: '顺序',
  },
)

const LIMITS = ['max_input', 'max_output'] as const
const PRICES = ['input', 'output', 'cache_read', 'cache_write'] as const

interface Props {
  tiers: Tier[]
  cache: boolean
  onChange: (tiers: Tier[]) => void
  problem: (at: string) => string | null
  /** What a new tier begins with. */
  fresh: Tier
}

export function TierTable({ tiers, cache, onChange, problem, fresh }: Props) {
  const t = useTexts(all)
  const prices = cache ? PRICES : PRICES.slice(0, 2)
  const change = (nth: number, part: Partial<Tier>) => onChange(tiers.map((tier, at) => (at === nth ? { ...tier, ...part } : tier)))
  function swap(nth: number, other: number) {
    const moved = [...tiers]
    const [a, b] = [moved[nth], moved[other]]
    if (!a || !b) return
    moved[nth] = b
    moved[other] = a
    onChange(moved)
  }
  return (
    <div className="grid grid-cols-1 gap-2">
      <ScrollBox label={t.tiers} className="-mx-1 px-1">
        <table className="w-full min-w-160">
          <thead>
            <tr>
              <th scope="col" className="th pl-0!">{t.tier}</th>
              {[...LIMITS, ...prices].map((key) => (
                <th key={key} scope="col" className="th pl-1!">{t[key]}</th>
              ))}
              <th scope="col" className="th"><span className="sr-only">{t.actions}</span></th>
            </tr>
          </thead>
          <tbody>
            {tiers.map((tier, nth) => (
              <tr key={nth}>
                <th scope="row" className="py-1 pr-3 text-left align-top leading-8">{nth + 1}</th>
                {LIMITS.map((key) => (
                  <Cell key={key} label={t.cell(t[key], nth + 1)} error={problem(`tiers[${nth}].${key}`)} placeholder={t.any} value={tier[key]?.toString() ?? ''} onChange={(value) => change(nth, { [key]: value === '' ? null : Number(value) })} />
                ))}
                {prices.map((key) => (
                  <Cell key={key} label={t.cell(t[key], nth + 1)} error={problem(`tiers[${nth}].${key}`)} value={tier[key]} onChange={(value) => change(nth, { [key]: value })} />
                ))}
                <td className="py-1 align-top whitespace-nowrap">
                  <IconButton label={t.up(nth + 1)} disabled={nth === 0} onClick={() => swap(nth, nth - 1)}><ArrowUp size={14} /></IconButton>
                  <IconButton label={t.down(nth + 1)} disabled={nth === tiers.length - 1} onClick={() => swap(nth, nth + 1)}><ArrowDown size={14} /></IconButton>
                  <IconButton label={t.remove(nth + 1)} onClick={() => onChange(tiers.filter((_, at) => at !== nth))}><Trash2 size={14} /></IconButton>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </ScrollBox>
      {tiers.map((_, nth) => {
        const wrong = problem(`tiers[${nth}]`)
        return wrong && <p key={nth} className="text-warn">{t.tier} {nth + 1}: {wrong}</p>
      })}
      {problem('tiers') && <p className="text-bad">{problem('tiers')}</p>}
      <div className="flex flex-wrap items-center gap-3">
        <Button small onClick={() => onChange([...tiers, { ...fresh, max_input: null, max_output: null }])}>
          <Plus size={14} />
          {t.add}
        </Button>
        <p className="text-[0.93rem] text-muted">{t.note}</p>
      </div>
    </div>
  )
}

interface CellProps {
  label: string
  value: string
  error: string | null
  placeholder?: string
  onChange: (value: string) => void
}

function Cell({ label, value, error, placeholder, onChange }: CellProps) {
  return (
    <td className="py-1 pr-2 align-top">
      <input
        aria-label={label}
        aria-invalid={error !== null}
        title={error ?? undefined}
        inputMode="decimal"
        className="field min-w-20"
        placeholder={placeholder}
        value={value}
        onChange={(event) => onChange(event.target.value.trim())}
      />
      {error && <p className="mt-0.5 text-[0.86rem] text-bad">{error}</p>}
    </td>
  )
}
