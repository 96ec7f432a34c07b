import { Link } from 'react-router'
import { duration, moment } from '@/shared/format/time'
import { texts, useTexts } from '@/shared/i18n/texts'
import { byTexts } from '@/shared/model/by'
import { causeTexts, kindOfCause } from '@/shared/model/cause'
import { modelLink } from '@/shared/model/link'
import { RunLogButton } from '@/shared/model/RunLog'
import { useReason } from '@/shared/model/reason/useReason'
import { StartButton } from '@/shared/model/start/StartButton'
import { costs, together } from '@/shared/money/money'
import { StatusMark } from '@/shared/ui/Status'
import type { Bar, Phase } from './spans'
import { keyOf, kindOfBar, phaseTexts, reasonOf } from './words'

const all = texts(
  { model: 'Model', variant: 'Variant', started: 'Started', waited: 'Waited', loaded: 'Loaded', ready: 'Ready for', reason: 'Why it ended, or what it does', cost: 'Cost', log: 'Log' },
  { model: '模型', variant: '变体', started: '开始', waited: '等待', loaded: '加载', ready: '就绪', reason: '结束原因或现状', cost: '费用', log: '日志' },
)

/** By the hour, and electricity. */
const costOf = (bar: Bar) => together(bar.run?.cost, bar.run?.energyCost)

interface Props {
  bars: Bar[]
  onStart: (run: number) => void
  onLog: (run: number) => void
}

export function RunTable({ bars, onStart, onLog }: Props) {
  const t = useTexts(all)
  const causes = useTexts(causeTexts)
  const say = useReason()
  const by = useTexts(byTexts)
  const phases = useTexts(phaseTexts)
  const now = new Date()
  const paid = bars.some((bar) => Object.keys(costOf(bar)).length > 0)
  const long = (bar: Bar, phase: Phase) => {
    const span = bar.spans.find((one) => one.phase === phase)
    return span ? duration((span.to - span.from) / 1000) : '–'
  }
  return (
    <table className="w-full">
      <thead>
        <tr>
          <th scope="col" className="th">{t.started}</th>
          <th scope="col" className="th">{t.model}</th>
          <th scope="col" className="th max-md:hidden">{t.variant}</th>
          <th scope="col" className="th num max-sm:hidden">{t.waited}</th>
          <th scope="col" className="th num max-sm:hidden">{t.loaded}</th>
          <th scope="col" className="th num">{t.ready}</th>
          <th scope="col" className="th">{t.reason}</th>
          {paid && <th scope="col" className="th num">{t.cost}</th>}
          <th scope="col" className="th">
            <span className="sr-only">{t.log}</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {bars.map((bar) => (
          <tr key={keyOf(bar)}>
            <td className="td whitespace-nowrap">
              <StartButton run={bar.id} text={moment(new Date(bar.from), now)} onOpen={onStart} />
            </td>
            <td className="td">
              <Link to={modelLink(bar.model)} className="hover:underline">
                {bar.model}
              </Link>
            </td>
            <td className="td text-muted max-md:hidden">{bar.variant}</td>
            <td className="td num text-muted max-sm:hidden">{long(bar, 'queued')}</td>
            <td className="td num text-muted max-sm:hidden">{long(bar, 'loading')}</td>
            <td className="td num">{long(bar, 'ready')}</td>
            <td className="td min-w-40">
              <span className="flex items-baseline gap-2">
                <StatusMark kind={kindOfBar(bar)} size={9} />
                <span className="wrap-anywhere">
                  {reasonOf(bar, causes, phases)}
                  {bar.startedBy && <span className="block text-[0.93rem] text-muted">{by.startedBy(bar.startedBy)}</span>}
                  {bar.run?.exit && kindOfCause(bar.run.cause) === 'bad' && <span className="block text-[0.93rem] text-muted">{say(bar.run.exit).split('\n')[0]}</span>}
                </span>
              </span>
            </td>
            {paid && <td className="td num">{costs(costOf(bar), 4)}</td>}
            <td className="td py-1!">
              <span className="flex justify-end">
                <RunLogButton run={bar.id} began={`${moment(new Date(bar.from), now)}, ${bar.model}`} onOpen={onLog} />
              </span>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}
