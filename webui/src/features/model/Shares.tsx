/** The price of a run by the hour and its electricity, shared out to the requests that ran in it. A view, not a bill. */
import { useQuery } from '@tanstack/react-query'
import { apiJson } from '@/shared/api/client'
import { keys } from '@/shared/api/keys'
import type { RunShares } from '@/shared/api/types'
import { count, wattHours } from '@/shared/format/number'
import { moment, whole } from '@/shared/format/time'
import { useLanguage } from '@/shared/i18n/language'
import { texts, useTexts } from '@/shared/i18n/texts'
import { costs, together } from '@/shared/money/money'
import { Sheet } from '@/shared/ui/Dialog'
import { QueryFace } from '@/shared/ui/Face'
import { Facts } from '@/shared/ui/Panel'

const LISTED = 200

const all = texts(
  {
    title: 'What this run cost', note: 'The price of the run, shared out to the requests that ran in it, second by second. Nothing is billed by it.', hours: 'Time awake that is paid', parked: 'Parked', run: 'By the hour', energy: 'Electricity',
    idle: 'Nobody asked', requests: 'Requests', ended: 'Ended', request: 'Request', share: 'Share', more: (n: string) => `and ${n} more`, none: 'No request ran in it.', sum: 'In all',
  },
  {
    title: '这次运行的费用', note: '把运行的价格按秒分摊到期间的请求。仅供查看，不据此计费。', hours: '未休眠的计费时长', parked: '休眠', run: '按小时', energy: '用电',
    idle: '无人使用', requests: '请求', ended: '结束', request: '请求', share: '分摊', more: (n: string) => `另有 ${n} 个`, none: '期间没有请求。', sum: '合计',
  },
)

export function Shares({ run, onClose }: { run: number | null; onClose: () => void }) {
  const t = useTexts(all)
  const shares = useQuery({
    queryKey: keys.shares(run ?? 0),
    queryFn: ({ signal }) => apiJson<RunShares>(`/api/runs/${run ?? 0}/shares`, { signal }),
    enabled: run !== null,
  })
  return (
    <Sheet open={run !== null} onOpenChange={(open) => !open && onClose()} title={t.title}>
      <div className="p-4">
        <QueryFace query={shares} compact>
          {(found) => <Shared shares={found} />}
        </QueryFace>
      </div>
    </Sheet>
  )
}

function Shared({ shares: { run, requests, idle } }: { shares: RunShares }) {
  const t = useTexts(all)
  const language = useLanguage()
  const now = new Date()
  const rows: [string, React.ReactNode][] = [
    [t.hours, whole(run.paid_seconds)],
    ...(run.parked_seconds > 0 ? [[t.parked, whole(run.parked_seconds)] as [string, string]] : []),
    [t.run, costs(run.cost, 6)],
    ...(run.energy_wh === null ? [] : [[t.energy, `${wattHours(run.energy_wh)}, ${costs(run.energy_cost, 6)}`] as [string, string]]),
    [t.sum, <strong key="sum" className="font-semibold">{costs(together(run.cost, run.energy_cost), 6)}</strong>],
    [t.idle, costs(idle, 6)],
    [t.requests, count(requests.length, language)],
  ]
  return (
    <div className="grid grid-cols-1 gap-4">
      <p className="text-muted">{t.note}</p>
      <Facts rows={rows} />
      {requests.length === 0 ? (
        <p className="text-muted">{t.none}</p>
      ) : (
        <table className="w-full">
          <thead>
            <tr>
              <th scope="col" className="th pl-0!">{t.ended}</th>
              <th scope="col" className="th">{t.request}</th>
              <th scope="col" className="th num pr-0!">{t.share}</th>
            </tr>
          </thead>
          <tbody>
            {requests.slice(0, LISTED).map((one) => (
              <tr key={one.request_id}>
                <td className="td pl-0! whitespace-nowrap">{moment(new Date(one.ended_at), now)}</td>
                <td className="td font-mono text-[0.9rem] wrap-anywhere">{one.request_id}</td>
                <td className="td num pr-0!">{costs(one.cost, 6)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {requests.length > LISTED && <p className="text-muted">{t.more(count(requests.length - LISTED, language))}</p>}
    </div>
  )
}
