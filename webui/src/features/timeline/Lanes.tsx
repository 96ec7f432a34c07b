import { useRef, useState } from 'react'
import { Link, useNavigate } from 'react-router'
import { timeTicks } from '@/shared/chart/scale'
import { useWidth } from '@/shared/chart/useWidth'
import { clock, moment } from '@/shared/format/time'
import { texts, useTexts } from '@/shared/i18n/texts'
import { causeTexts } from '@/shared/model/cause'
import { modelLink } from '@/shared/model/link'
import { BarCard } from './BarCard'
import { type Bar, placed } from './spans'
import { keyOf, phaseFills, phaseTexts, reasonOf } from './words'

const ROW = 30
const BAR = 18
const AXIS = 22
/** So far from the edges a label is whole. */
const EDGE = 22
/** About as wide as a letter of the words in a bar. */
const LETTER = 6.2
const DAY = 86_400_000

const all = texts({ label: 'Runs of the models over time' }, { label: '各模型的运行时间线' })

interface Shown {
  bar: Bar
  x: number
  row: number
}

/** One lane per model. The mouse has cards and clicks here; for keys and readers all of it stands in the table below. */
export function Lanes({ models, bars, from, to }: { models: string[]; bars: Bar[]; from: number; to: number }) {
  const t = useTexts(all)
  const navigate = useNavigate()
  const box = useRef<HTMLDivElement>(null)
  const width = useWidth(box)
  const [shown, setShown] = useState<Shown | null>(null)
  const height = models.length * ROW + AXIS
  const long = to - from > DAY
  const ticks = timeTicks(from, to, Math.floor(width / (long ? 96 : 64)))
  const at = (time: number) => ((time - from) / (to - from)) * width
  const label = (time: Date) => (long ? moment(time, new Date(0)).slice(5, 16) : clock(time).slice(0, to - from < 1_200_000 ? 8 : 5))

  return (
    <div className="grid grid-cols-[minmax(0,min(14rem,32%))_minmax(0,1fr)] gap-x-3">
      <ul>
        {models.map((model) => (
          <li key={model} className="flex h-[30px] items-center">
            <Link to={modelLink(model)} className="truncate hover:underline" title={model}>
              {model}
            </Link>
          </li>
        ))}
      </ul>
      <div ref={box} className="relative min-w-0">
        {width > 0 && (
          <svg role="img" aria-label={t.label} width={width} height={height} className="block text-[0.86rem]">
            {models.map((model, row) => (
              <line key={model} x1="0" x2={width} y1={(row + 1) * ROW - 0.5} y2={(row + 1) * ROW - 0.5} className="stroke-line" opacity="0.55" />
            ))}
            {ticks.map((tick) => (
              <line key={tick} x1={at(tick)} x2={at(tick)} y1="0" y2={height - AXIS} className="stroke-line" />
            ))}
            {models.map((model, row) =>
              bars
                .filter((bar) => bar.model === model)
                .map((bar) => (
                  <LaneBar
                    key={keyOf(bar)}
                    bar={bar}
                    row={row}
                    width={width}
                    from={from}
                    to={to}
                    onShow={(x) => setShown({ bar, x, row })}
                    onHide={() => setShown(null)}
                    onOpen={() => void navigate(modelLink(model))}
                  />
                )),
            )}
            {ticks.map((tick) =>
              at(tick) > EDGE && at(tick) < width - EDGE ? (
                <text key={tick} x={at(tick)} y={height - 6} textAnchor="middle" className="fill-muted">
                  {label(new Date(tick))}
                </text>
              ) : null,
            )}
          </svg>
        )}
        {shown && <BarCard bar={shown.bar} x={shown.x} y={(shown.row + 1) * ROW} width={width} />}
      </div>
    </div>
  )
}

interface BarProps {
  bar: Bar
  row: number
  width: number
  from: number
  to: number
  onShow: (x: number) => void
  onHide: () => void
  onOpen: () => void
}

function LaneBar({ bar, row, width, from, to, onShow, onHide, onOpen }: BarProps) {
  const causes = useTexts(causeTexts)
  const phases = useTexts(phaseTexts)
  const y = row * ROW + (ROW - BAR) / 2
  const whole = placed(bar, from, to)
  if (!whole) return null
  const [x, wide] = [whole.x * width, Math.max(2, whole.width * width)]
  const said = bar.running ? '' : reasonOf(bar, causes, phases)
  const fits = wide > said.length * LETTER * (/[㐀-鿿]/.test(said) ? 2 : 1) + 12
  return (
    <g className="cursor-pointer" onPointerEnter={() => onShow(x)} onPointerLeave={onHide} onClick={onOpen} data-bar={bar.run?.cause ?? ''}>
      {bar.spans.map((span) => {
        const place = placed(span, from, to)
        if (!place) return null
        return (
          <rect key={span.phase} x={place.x * width} y={y} width={Math.max(2, place.width * width)} height={BAR} className={phaseFills[bar.failed && span.phase !== 'queued' ? 'failed' : span.phase]} />
        )
      })}
      {fits && said && (
        <text x={x + wide - 6} y={y + BAR / 2 + 0.5} textAnchor="end" dominantBaseline="middle" className="pointer-events-none fill-surface text-[11px] font-medium">
          {said}
        </text>
      )}
      <rect x={x - 2} y={row * ROW} width={wide + 4} height={ROW} className="fill-transparent" />
    </g>
  )
}
