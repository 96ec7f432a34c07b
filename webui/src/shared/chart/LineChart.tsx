/** Lines over time, as SVG. Where nobody points, the legend has the latest values. */
import { useRef, useState } from 'react'
import { clock } from '@/shared/format/time'
import { backClass, fillClass, strokeClass } from './colours'
import { nearest, path, thinned } from './lines'
import { ticks, timeTicks } from './scale'
import { useWidth } from './useWidth'

/** Seconds: fewer are a dot. */
const LEAST = 60
const LEFT = 46
const TOP = 6
const BOTTOM = 24
/** Pixels that a label needs, across and down. */
const [ACROSS, DOWN] = [76, 36]

export interface Line {
  label: string
  values: (number | null)[]
}

interface Props {
  label: string
  /** Seconds since the epoch, rising. */
  times: number[]
  lines: Line[]
  format: (value: number) => string
  /** The most seconds that are shown, to the last point. A chart that has just begun is narrower, and fills. */
  span?: number
  /** The colour of the first line. */
  colour?: number
  height?: number
  legend?: boolean
}

export function LineChart({ label, times, lines, format, span = Infinity, colour = 0, height = 180, legend = true }: Props) {
  const box = useRef<HTMLDivElement>(null)
  const width = useWidth(box)
  // In pixels: the chart goes on under a pointer that rests.
  const [pointed, setPointed] = useState<number | null>(null)
  const to = times.at(-1) ?? 0
  const long = Math.min(span, Math.max(LEAST, to - (times[0] ?? 0)))
  const [inner, tall] = [Math.max(1, width - LEFT), height - TOP - BOTTOM]
  const first = Math.max(0, nearest(times, to - long) - 1)
  const highest = Math.max(0, ...lines.map((line) => line.values.reduce<number>((most, value, at) => (at < first ? most : Math.max(most, value ?? 0)), 0)))
  const marks = ticks(highest, Math.max(1, Math.floor(tall / DOWN)))
  const x = (time: number) => ((time - to + long) / long) * inner
  const y = (value: number) => TOP + tall * (1 - value / (marks.at(-1) ?? 1))
  const index = pointed === null ? times.length - 1 : nearest(times, to - long + (pointed / inner) * long)
  const at = times[index]
  // Seconds matter only in what is a few minutes long.
  const clocked = (milliseconds: number) => clock(new Date(milliseconds)).slice(0, long < 600 ? 8 : 5)

  return (
    <div ref={box} className="min-w-0">
      {width > 0 && (
        <svg
          role="img"
          aria-label={label}
          width={width}
          height={height}
          className="block text-[0.86rem]"
          onPointerMove={(event) => setPointed(Math.max(0, event.clientX - event.currentTarget.getBoundingClientRect().left - LEFT))}
          onPointerLeave={() => setPointed(null)}
        >
          {marks.map((mark) => (
            <g key={mark}>
              <line x1={LEFT} x2={width} y1={y(mark)} y2={y(mark)} className="stroke-line" />
              <text x={LEFT - 8} y={y(mark)} textAnchor="end" dominantBaseline="middle" className="fill-muted">
                {format(mark)}
              </text>
            </g>
          ))}
          {timeTicks((to - long) * 1000, to * 1000, Math.floor(inner / ACROSS)).map((time) => (
            <text key={time} x={Math.min(LEFT + x(time / 1000), width - (long < 600 ? 30 : 20))} y={height - 6} textAnchor="middle" className="fill-muted">
              {clocked(time)}
            </text>
          ))}
          {/* What is older than the span is cut off by its edge. */}
          <svg x={LEFT} width={inner} height={TOP + tall + 1}>
            {lines.map((line, nth) => {
              const runs = thinned(times, line.values, first, x, y)
              return (
                <g key={line.label}>
                  {/* One line may have its ground shaded; several would hide each other. */}
                  {lines.length === 1 && <path d={path(runs, y(0))} fillOpacity={0.13} className={fillClass(nth + colour)} />}
                  <path d={path(runs)} fill="none" strokeWidth={1.5} strokeLinejoin="round" className={strokeClass(nth + colour)} />
                  {pointed !== null && at !== undefined && line.values[index] != null && <circle cx={x(at)} cy={y(line.values[index])} r={3} className={fillClass(nth + colour)} />}
                </g>
              )
            })}
            {pointed !== null && at !== undefined && <line x1={x(at)} x2={x(at)} y1={TOP} y2={y(0)} strokeDasharray="3 3" className="stroke-line-strong" />}
          </svg>
          {pointed !== null && at !== undefined && (
            <text x={Math.min(Math.max(LEFT + x(at), LEFT), width - 50)} y={height - 6} textAnchor="middle" strokeWidth={8} className="fill-text stroke-surface [paint-order:stroke]">
              {clock(new Date(at * 1000))}
              {!legend && lines[0]?.values[index] != null && ` · ${format(lines[0].values[index])}`}
            </text>
          )}
        </svg>
      )}
      {legend && (
        <ul className="mt-1 flex flex-wrap gap-x-4 gap-y-1 text-[0.9rem] text-muted">
          {lines.map((line, nth) => (
            <li key={line.label} className="flex min-w-0 items-center gap-1.5">
              <span className={`size-2.5 shrink-0 rounded-[3px] ${backClass(nth + colour)}`} />
              <span className="truncate">{line.label}</span>
              <span className="min-w-[3.5em] text-text">{line.values[index] == null ? '–' : format(line.values[index])}</span>
            </li>
          ))}
        </ul>
      )}
    </div>
  )
}
