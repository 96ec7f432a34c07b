/** The steps of a start, each where it lies in time, with its length and whose time it was. */
import { latency } from '@/shared/format/time'
import { texts, useTexts } from '@/shared/i18n/texts'
import type { Step, Whose } from './steps'
import { stepTexts, whoseTexts } from './words'

const all = texts(
  { step: 'Step', time: 'Time', whose: 'Whose', open: (time: string) => `${time} so far`, broken: (time: string) => `${time}, ended here` },
  { step: '步骤', time: '用时', whose: '归属', open: (time: string) => `已 ${time}`, broken: (time: string) => `${time}，在此结束` },
)

const fills: Record<Whose, string> = { manager: 'fill-accent', server: 'fill-busy', others: 'fill-warn', driver: 'fill-off', unknown: 'fill-off' }

export function Waterfall({ steps }: { steps: readonly Step[] }) {
  const t = useTexts(all)
  const names = useTexts(stepTexts)
  const owners = useTexts(whoseTexts)
  const total = Math.max(steps.at(-1)?.to ?? 0, 0.001)
  const told = (step: Step) => {
    const length = latency(step.to - step.from)
    return step.end === 'done' ? length : t[step.end](length)
  }
  return (
    <table className="w-full">
      <thead>
        <tr>
          <th scope="col" className="th pl-0!">{t.step}</th>
          <th scope="col" className="th num">{t.time}</th>
          <th scope="col" className="th pr-0!">{t.whose}</th>
        </tr>
      </thead>
      <tbody>
        {steps.map((step) => (
          <tr key={step.name} data-step={step.name} data-whose={step.whose}>
            <th scope="row" className="td w-full pl-0! text-left font-normal">
              {names[step.name]}
              <svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true" className="mt-1 block h-1.5 w-full rounded-full bg-sunken">
                {/* So narrow that it could not be seen, it would look as if it had been left out. */}
                <rect x={Math.min(99, (step.from / total) * 100)} width={Math.max(1, ((step.to - step.from) / total) * 100)} height="6" className={step.end === 'broken' ? 'fill-bad' : fills[step.whose]} />
              </svg>
            </th>
            <td className="td num">{told(step)}</td>
            <td className="td pr-0! whitespace-nowrap">
              <span className="flex items-center gap-1.5">
                <svg width="10" height="10" aria-hidden="true">
                  <rect width="10" height="10" rx="2" className={fills[step.whose]} />
                </svg>
                {owners[step.whose]}
              </span>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}
