import { useRef } from 'react'
import { Link } from 'react-router'
import { labelStep } from '@/shared/chart/scale'
import { useWidth } from '@/shared/chart/useWidth'
import { clock, moment, whole } from '@/shared/format/time'
import { texts, useTexts } from '@/shared/i18n/texts'
import { modelLink } from '@/shared/model/link'
import { type Bar, type Phase, placed } from './spans'

const ROW = 26
const BAR = 14
const AXIS = 22
const TICKS = 12

export const phaseTexts = texts(
  { queued: 'Waiting for memory', loading: 'Loading', ready: 'Ready', ending: 'Ending', failed: 'Failed to start' },
  { queued: '等待内存', loading: '加载', ready: '就绪', ending: '结束中', failed: '启动失败' },
)

const all = texts({ label: 'Runs of the models over time' }, { label: '各模型的运行时间线' })

export const phaseFills: Record<Phase | 'failed', string> = {
  queued: 'fill-warn', loading: 'fill-busy', ready: 'fill-ok', ending: 'fill-off', failed: 'fill-bad',
}

/** One lane per model; what its bars mean also stands in the table below. */
export function Lanes({ models, bars, from, to }: { models: string[]; bars: Bar[]; from: number; to: number }) {
  const t = useTexts(all)
  const phases = useTexts(phaseTexts)
  const box = useRef<HTMLDivElement>(null)
  const width = useWidth(box)
  const height = models.length * ROW + AXIS
  const every = labelStep(TICKS, width, 64)
  const ticks = Array.from({ length: TICKS + 1 }, (_, index) => index)

  return (
    <div className="grid grid-cols-[minmax(0,min(14rem,32%))_minmax(0,1fr)] gap-x-3">
      <ul>
        {models.map((model) => (
          <li key={model} className="flex h-[26px] items-center">
            <Link to={modelLink(model)} className="truncate hover:underline" title={model}>
              {model}
            </Link>
          </li>
        ))}
      </ul>
      <div ref={box} className="min-w-0">
        {width > 0 && (
          <svg role="img" aria-label={t.label} width={width} height={height} className="block text-[0.86rem]">
            {ticks.map((tick) => (
              <line key={tick} x1={(tick / TICKS) * width} x2={(tick / TICKS) * width} y1="0" y2={height - AXIS} className="stroke-line" />
            ))}
            {models.map((model, row) =>
              bars
                .filter((bar) => bar.model === model)
                .map((bar) => (
                  <g key={`${bar.from} ${bar.spans[0]?.phase ?? ''}`}>
                    <title>{told(bar, phases)}</title>
                    {bar.spans.map((span) => {
                      const place = placed(span, from, to)
                      if (!place) return null
                      return (
                        <rect
                          key={span.phase}
                          x={place.x * width}
                          y={row * ROW + (ROW - BAR) / 2}
                          width={Math.max(2, place.width * width)}
                          height={BAR}
                          className={phaseFills[bar.failed ? 'failed' : span.phase]}
                        />
                      )
                    })}
                  </g>
                )),
            )}
            {ticks.map((tick) =>
              tick % every === 0 && tick > 0 ? (
                <text
                  key={tick}
                  x={(tick / TICKS) * width}
                  y={height - 6}
                  textAnchor={tick === TICKS ? 'end' : 'middle'}
                  className="fill-muted"
                >
                  {clock(new Date(from + ((to - from) * tick) / TICKS)).slice(0, to - from < 1_200_000 ? 8 : 5)}
                </text>
              ) : null,
            )}
          </svg>
        )}
      </div>
    </div>
  )
}

function told(bar: Bar, phases: Record<Phase, string>): string {
  const now = new Date()
  return [
    `${bar.model}${bar.variant ? ` · ${bar.variant}` : ''}`,
    ...bar.spans.map((span) => `${phases[span.phase]}: ${moment(new Date(span.from), now)}, ${whole((span.to - span.from) / 1000)}`),
    bar.reason ?? '',
  ]
    .filter(Boolean)
    .join('\n')
}
