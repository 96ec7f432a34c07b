/** The lives of a model's backend: how each went, why it ended, what it cost. */
import { useState } from 'react'
import { useSearchParams } from 'react-router'
import { wattHours } from '@/shared/format/number'
import { duration, moment } from '@/shared/format/time'
import { texts, useTexts } from '@/shared/i18n/texts'
import { useNow } from '@/shared/live/clock'
import type { LiveModel } from '@/shared/live/reducer'
import { causeOf, causeTexts, kindOfCause } from '@/shared/model/cause'
import { RunLogButton, RunLogSheet } from '@/shared/model/RunLog'
import { useReason } from '@/shared/model/reason/useReason'
import { type Run, useRuns } from '@/shared/model/runs'
import { StartButton } from '@/shared/model/start/StartButton'
import { StartSheet } from '@/shared/model/start/StartSheet'
import { costs, together } from '@/shared/money/money'
import { Empty, QueryFace } from '@/shared/ui/Face'
import { Panel } from '@/shared/ui/Panel'
import { StateTag, StatusMark } from '@/shared/ui/Status'
import { Shares } from './Shares'

const LISTED = 100

const all = texts(
  {
    runs: 'Runs', started: 'Started', variant: 'Variant', waited: 'Waited', loading: 'Loading', ready: 'Ready for', exit: 'Why it ended', cost: 'Cost', energy: 'Electricity',
    none: 'No run yet', never: 'never', log: 'Log', shares: (time: string) => `What the run of ${time} cost, by request`,
  },
  {
    runs: '运行记录', started: '启动', variant: '变体', waited: '等待', loading: '加载', ready: '就绪时长', exit: '结束原因', cost: '费用', energy: '用电',
    none: '还没有运行过', never: '未就绪', log: '日志', shares: (time: string) => `${time} 那次运行的费用，按请求分摊`,
  },
)

export function Runs({ name, live }: { name: string; live: LiveModel | undefined }) {
  const t = useTexts(all)
  // The ledger hears of a start and of an end: ask again whenever the state has changed.
  const runs = useRuns(`model/${name}`, () => ({ model: name, limit: LISTED }), [], live?.state ?? '')
  const [opened, setOpened] = useState<number | null>(null)
  // In the address, so that a start or a log can be linked to.
  const [parameters, setParameters] = useSearchParams()
  const start = Number(parameters.get('run')) || null
  const log = Number(parameters.get('log')) || null
  const look = (what: 'run' | 'log', run: number | null) => setParameters({ tab: 'runs', ...(run === null ? {} : { [what]: String(run) }) }, { replace: true })
  return (
    <QueryFace query={runs}>
      {(found) =>
        found.length === 0 && !live?.started_at ? (
          <Empty title={t.none} />
        ) : (
          <>
            <RunTable runs={withLive(found, live)} live={live} onOpen={setOpened} onStart={(run) => look('run', run)} onLog={(run) => look('log', run)} />
            <Shares run={opened} onClose={() => setOpened(null)} />
            <StartSheet run={start} onClose={() => look('run', null)} />
            <RunLogSheet run={log} onClose={() => look('log', null)} />
          </>
        )
      }
    </QueryFace>
  )
}

/** The run that goes on comes from the live state, where the ledger does not have it yet. */
function withLive(found: readonly Run[], live: LiveModel | undefined): Run[] {
  if (!live?.started_at || live.state === 'stopped' || live.state === 'failed' || found.some((run) => run.ended === null)) return [...found]
  const going: Run = {
    id: null, model: live.name, variant: live.variant ?? '', queued: null, started: Date.parse(live.started_at), ready: live.ready_at ? Date.parse(live.ready_at) : null, ended: null,
    cause: null, evictedFor: null, startedBy: null, endedBy: null, exit: null, paidSeconds: null, parked: [], cost: {}, energyWh: null, energyCost: {},
  }
  return [going, ...found]
}

interface TableProps {
  runs: Run[]
  live: LiveModel | undefined
  onOpen: (run: number) => void
  onStart: (run: number) => void
  onLog: (run: number) => void
}

function RunTable({ runs, live, onOpen, onStart, onLog }: TableProps) {
  const t = useTexts(all)
  const say = useReason()
  const causes = useTexts(causeTexts)
  const now = useNow()
  const day = new Date(now)
  const waited = runs.some((run) => waitOf(run) !== null)
  const paid = runs.some((run) => Object.keys(run.cost).length + Object.keys(run.energyCost).length > 0)
  const energy = runs.some((run) => run.energyWh !== null)
  const seconds = (from: number, to: number) => duration((to - from) / 1000)
  return (
    <Panel title={t.runs} flush>
      <table className="w-full">
        <thead>
          <tr>
            <th scope="col" className="th">{t.started}</th>
            <th scope="col" className="th max-sm:hidden">{t.variant}</th>
            {waited && <th scope="col" className="th num">{t.waited}</th>}
            <th scope="col" className="th num">{t.loading}</th>
            <th scope="col" className="th num">{t.ready}</th>
            <th scope="col" className="th">{t.exit}</th>
            {energy && <th scope="col" className="th num">{t.energy}</th>}
            {paid && <th scope="col" className="th num">{t.cost}</th>}
            <th scope="col" className="th">
              <span className="sr-only">{t.log}</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {runs.map((run) => {
            const began = moment(new Date(run.started), day)
            const cost = together(run.cost, run.energyCost)
            const { id } = run
            return (
              <tr key={run.id ?? run.started}>
                <td className="td whitespace-nowrap">
                  <StartButton run={id} text={began} onOpen={onStart} />
                </td>
                <td className="td whitespace-nowrap max-sm:hidden">{run.variant}</td>
                {waited && <td className="td num">{duration(waitOf(run))}</td>}
                <td className="td num">{seconds(run.started, run.ready ?? run.ended ?? now)}</td>
                <td className="td num">{run.ready === null ? (run.ended === null ? '–' : t.never) : seconds(run.ready, run.ended ?? now)}</td>
                <td className="td min-w-44">
                  {run.ended === null ? (
                    live && <StateTag state={live.state} />
                  ) : (
                    <span className="flex items-baseline gap-2">
                      <StatusMark kind={kindOfCause(run.cause)} size={9} />
                      <span className="min-w-0 wrap-anywhere">
                        {causeOf(run, causes)}
                        {run.exit && kindOfCause(run.cause) === 'bad' && <span className="block text-[0.93rem] text-muted">{say(run.exit).split('\n')[0]}</span>}
                      </span>
                    </span>
                  )}
                </td>
                {energy && <td className="td num">{wattHours(run.energyWh)}</td>}
                {paid && (
                  <td className="td num">
                    {id === null || Object.keys(cost).length === 0 ? (
                      costs(cost, 4)
                    ) : (
                      <button type="button" className="underline decoration-line-strong decoration-dotted underline-offset-3 hover:decoration-solid" aria-label={`${costs(cost, 4)}: ${t.shares(began)}`} onClick={() => onOpen(id)}>
                        {costs(cost, 4)}
                      </button>
                    )}
                  </td>
                )}
                <td className="td py-1!">
                  <span className="flex justify-end">
                    <RunLogButton run={id} began={began} onOpen={onLog} />
                  </span>
                </td>
              </tr>
            )
          })}
        </tbody>
      </table>
    </Panel>
  )
}

function waitOf(run: Run): number | null {
  const seconds = run.queued === null ? 0 : (run.started - run.queued) / 1000
  return seconds >= 0.5 ? seconds : null
}
