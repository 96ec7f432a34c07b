import { Link } from 'react-router'
import type { ModelState, UsageTotals } from '@/shared/api/types'
import { startOfMonth, startOfToday, useUsageSummary } from '@/shared/api/usage'
import { short } from '@/shared/format/number'
import { texts, useTexts } from '@/shared/i18n/texts'
import { useLive } from '@/shared/live/store'
import { costs, together } from '@/shared/money/money'
import { type StatusKind, StatusMark } from '@/shared/ui/Status'

const all = texts(
  {
    ready: 'Ready', changing: 'Starting or stopping', waiting: 'Waiting', running: 'In progress', failed: 'Failed', asks: 'requests',
    requests: 'Requests today', costToday: 'Cost today', costMonth: 'Cost this month', of: (n: number) => `of ${n}`,
  },
  {
    ready: '就绪', changing: '启动或停止中', waiting: '等待', running: '处理中', failed: '失败', asks: '个请求',
    requests: '今日请求', costToday: '今日费用', costMonth: '本月费用', of: (n: number) => `/ ${n}`,
  },
)

export function Tiles() {
  const t = useTexts(all)
  const models = useLive((live) => live.models)
  const list = Object.values(models)
  const inState = (...states: ModelState[]) => list.filter((model) => states.includes(model.state)).length
  const failed = inState('failed')
  const changing = inState('starting', 'draining', 'stopping', 'queued', 'parking', 'waking')
  const ready = inState('ready')
  const waiting = list.reduce((sum, model) => sum + model.waiting, 0)
  const leases = list.reduce((sum, model) => sum + model.leases, 0)
  const today = useUsageSummary('today', () => ({ from: startOfToday(), to: null }), 15_000)
  const month = useUsageSummary('month', () => ({ from: startOfMonth(), to: null }), 60_000)

  return (
    <ul className="grid grid-cols-2 gap-3 sm:grid-cols-4">
      <Tile to="/models" mark={ready > 0 ? 'ok' : 'off'} name={t.ready} value={String(ready)} note={t.of(list.length)} />
      <Tile to="/models" mark={changing > 0 ? 'busy' : 'off'} name={t.changing} value={String(changing)} />
      <Tile to="/models" mark={failed > 0 ? 'bad' : 'off'} name={t.failed} value={String(failed)} />
      <Tile to="/queue" name={t.running} value={short(leases)} note={t.asks} />
      <Tile to="/queue" mark={waiting > 0 ? 'warn' : undefined} name={t.waiting} value={short(waiting)} note={t.asks} />
      {today.data && <Tile to="/usage" name={t.requests} value={short(today.data.total.requests)} />}
      {today.data && <Tile to="/usage" name={t.costToday} value={costs(allCosts(today.data.total))} />}
      {month.data && <Tile to="/usage" name={t.costMonth} value={costs(allCosts(month.data.total))} />}
    </ul>
  )
}

/** Of requests, of ready hours, and of electricity. */
const allCosts = (totals: UsageTotals) => together(totals.cost, totals.run_cost, totals.energy_cost)

interface TileProps {
  to: string
  name: string
  value: string
  note?: string
  mark?: StatusKind
}

function Tile({ to, name, value, note, mark }: TileProps) {
  return (
    <li className="panel min-w-0">
      <Link to={to} className="block rounded-lg px-4 py-3 hover:bg-sunken">
        <span className="flex items-center gap-1.5 text-[0.93rem] text-muted">
          {mark && <StatusMark kind={mark} size={9} />}
          {name}
        </span>
        <span className="mt-0.5 flex items-baseline gap-1.5">
          <span className="truncate text-[1.6rem] leading-8 font-semibold">{value}</span>
          {note && <span className="text-muted">{note}</span>}
        </span>
      </Link>
    </li>
  )
}
