import type { RunRecord } from '@/shared/api/types'
import { moment, whole } from '@/shared/format/time'
import { texts, useTexts } from '@/shared/i18n/texts'
import type { LiveModel } from '@/shared/live/reducer'
import { Empty } from '@/shared/ui/Face'
import { Panel } from '@/shared/ui/Panel'
import { StateTag, StatusMark } from '@/shared/ui/Status'

const all = texts(
  {
    runs: 'Runs', started: 'Started', variant: 'Variant', loading: 'Loading', ready: 'Ready for', exit: 'How it ended', pid: 'Process',
    none: 'No run yet', never: 'never ready', now: 'runs now',
  },
  {
    runs: '运行记录', started: '启动', variant: '启动方案', loading: '加载', ready: '就绪时长', exit: '如何结束', pid: '进程',
    none: '还没有运行过', never: '未能就绪', now: '正在运行',
  },
)

export function Runs({ runs, current }: { runs: RunRecord[]; current: LiveModel | undefined }) {
  const t = useTexts(all)
  const now = new Date()
  const running = current?.started_at && current.state !== 'stopped' && current.state !== 'failed' ? current : null
  if (runs.length === 0 && !running) return <Empty title={t.none} />
  return (
    <Panel title={t.runs} flush>
      <table className="w-full">
        <thead>
          <tr>
            {[t.started, t.variant, t.pid, t.loading, t.ready, t.exit].map((name, index) => (
              <th key={name} scope="col" className={`th ${index >= 2 && index <= 4 ? 'num' : ''}`}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {running?.started_at && (
            <tr>
              <td className="td whitespace-nowrap">{moment(new Date(running.started_at), now)}</td>
              <td className="td">{running.variant}</td>
              <td className="td num">{running.pid}</td>
              <td className="td num">{running.ready_at ? seconds(running.started_at, running.ready_at) : '–'}</td>
              <td className="td num">{running.ready_at ? seconds(running.ready_at, now.toISOString()) : '–'}</td>
              <td className="td">
                <StateTag state={running.state} />
              </td>
            </tr>
          )}
          {runs.map((run) => (
            <tr key={run.started_at}>
              <td className="td whitespace-nowrap">{moment(new Date(run.started_at), now)}</td>
              <td className="td">{run.variant}</td>
              <td className="td num">{run.pid ?? '–'}</td>
              <td className="td num">{run.ready_at ? seconds(run.started_at, run.ready_at) : seconds(run.started_at, run.ended_at)}</td>
              <td className="td num">{run.ready_at ? seconds(run.ready_at, run.ended_at) : t.never}</td>
              <td className="td">
                <span className="flex items-baseline gap-2 wrap-anywhere">
                  <StatusMark kind={run.ready_at ? 'off' : 'bad'} size={9} />
                  {run.exit}
                </span>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Panel>
  )
}

function seconds(from: string, to: string): string {
  return whole((Date.parse(to) - Date.parse(from)) / 1000)
}
