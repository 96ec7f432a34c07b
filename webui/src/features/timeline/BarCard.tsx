/** What a bar of the timeline tells when it is pointed at. */
import { useTexts } from '@/shared/i18n/texts'
import { byTexts } from '@/shared/model/by'
import { causeTexts, kindOfCause } from '@/shared/model/cause'
import { useReason } from '@/shared/model/reason/useReason'
import { costs, together } from '@/shared/money/money'
import { StatusMark } from '@/shared/ui/Status'
import type { Bar } from './spans'
import { kindOfBar, phaseTexts, reasonOf, spansTold } from './words'

const WIDTH = 300

export function BarCard({ bar, x, y, width }: { bar: Bar; x: number; y: number; width: number }) {
  const causes = useTexts(causeTexts)
  const by = useTexts(byTexts)
  const phases = useTexts(phaseTexts)
  const say = useReason()
  const paid = together(bar.run?.cost, bar.run?.energyCost)
  const left = Math.max(0, Math.min(x, width - WIDTH))
  return (
    <div role="tooltip" style={{ left, top: y, width: Math.min(WIDTH, width) }} className="panel pointer-events-none absolute z-20 grid gap-1 p-3 text-[0.93rem] shadow-lg">
      <p className="font-medium wrap-anywhere">
        {bar.model}
        {bar.variant && <span className="font-normal text-muted"> · {bar.variant}</span>}
      </p>
      <p className="flex items-baseline gap-2">
        <StatusMark kind={kindOfBar(bar)} size={9} />
        {reasonOf(bar, causes, phases)}
      </p>
      {bar.startedBy && <p className="text-muted">{by.startedBy(bar.startedBy)}</p>}
      {bar.run?.exit && kindOfCause(bar.run.cause) === 'bad' && <p className="text-muted wrap-anywhere">{say(bar.run.exit).split('\n')[0]}</p>}
      {spansTold(bar, phases, new Date()).map((line) => (
        <p key={line} className="text-muted">
          {line}
        </p>
      ))}
      {bar.run && Object.keys(paid).length > 0 && <p className="text-muted">{costs(paid, 4)}</p>}
    </div>
  )
}
