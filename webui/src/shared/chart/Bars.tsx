/** Stacked bars per bucket of time, as SVG. The same figures stand in a table beside it. */
import { useRef } from 'react'
import { fillClass } from './colours'
import { labelStep, ticks } from './scale'
import { useWidth } from './useWidth'

export interface Bar {
  label: string
  /** One value per series. */
  values: number[]
}

interface Props {
  label: string
  bars: Bar[]
  series: string[]
  format: (value: number) => string
  height?: number
}

const LEFT = 52
const BOTTOM = 22
const TOP = 8

export function Bars({ label, bars, series, format, height = 220 }: Props) {
  const box = useRef<HTMLDivElement>(null)
  const width = useWidth(box)
  const sums = bars.map((bar) => bar.values.reduce((sum, value) => sum + value, 0))
  const marks = ticks(Math.max(0, ...sums))
  const top = marks.at(-1) ?? 1
  const inner = Math.max(0, width - LEFT)
  const step = bars.length > 0 ? inner / bars.length : inner
  const gap = Math.min(4, step * 0.25)
  const every = labelStep(bars.length, inner, Math.max(76, ...bars.map((bar) => 9 * bar.label.length)))
  const y = (value: number) => TOP + (height - TOP - BOTTOM) * (1 - value / top)

  return (
    <div ref={box} className="min-w-0">
      {width > 0 && (
        <svg role="img" aria-label={label} width={width} height={height} className="block text-[0.86rem]">
          {marks.map((mark) => (
            <g key={mark}>
              <line x1={LEFT} x2={width} y1={y(mark)} y2={y(mark)} className="stroke-line" />
              <text x={LEFT - 8} y={y(mark)} textAnchor="end" dominantBaseline="middle" className="fill-muted">
                {format(mark)}
              </text>
            </g>
          ))}
          {bars.map((bar, index) => {
            let floor = 0
            return (
              <g key={bar.label + String(index)}>
                <title>{[bar.label, ...bar.values.flatMap((value, at) => (value ? [`${series[at] ?? ''}: ${format(value)}`] : []))].join('\n')}</title>
                <rect x={LEFT + index * step} y={TOP} width={step} height={height - TOP - BOTTOM} className="fill-transparent" />
                {bar.values.map((value, at) => {
                  const from = floor
                  floor += value
                  if (value <= 0) return null
                  return (
                    <rect key={at} x={LEFT + index * step + gap / 2} width={Math.max(1, step - gap)} y={y(floor)} height={Math.max(0.5, y(from) - y(floor))} className={fillClass(at)} />
                  )
                })}
                {index % every === 0 && LEFT + index * step + step / 2 + 20 <= width && (
                  <text x={LEFT + index * step + step / 2} y={height - 6} textAnchor="middle" className="fill-muted">
                    {bar.label}
                  </text>
                )}
              </g>
            )
          })}
        </svg>
      )}
    </div>
  )
}
