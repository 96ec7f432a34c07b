/** Lines over time, drawn on a canvas by uPlot. */
import { useEffect, useRef } from 'react'
import UPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { clock } from '@/shared/format/time'
import { useTheme } from '@/shared/theme'
import { resolved, seriesVar } from './colours'
import { useWidth } from './useWidth'

/** Seconds matter only in what is a few minutes long. */
function timeLabel(time: number, span: number): string {
  return clock(new Date(time * 1000)).slice(0, span < 600 ? 8 : 5)
}

/** Seconds: fewer are a dot. */
const LEAST = 60

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

export default function LineChart({ label, times, lines, format, span, colour = 0, height = 180, legend = true }: Props) {
  const box = useRef<HTMLDivElement>(null)
  const plot = useRef<UPlot | null>(null)
  const width = useWidth(box)
  const theme = useTheme()
  const names = lines.map((line) => line.label).join('\n')

  useEffect(() => {
    const element = box.current
    if (!element || width === 0) return
    const axis = { stroke: resolved('--muted'), grid: { stroke: resolved('--line'), width: 1 }, ticks: { show: false }, font: '12px system-ui' }
    const chart = new UPlot(
      {
        width,
        height,
        legend: { show: legend, live: true },
        cursor: { drag: { x: false, y: false }, points: { size: 6 } },
        axes: [
          { ...axis, grid: { show: false }, size: 26, space: 72, values: (_, at) => at.map((time) => timeLabel(time, (at.at(-1) ?? 0) - (at[0] ?? 0))), incrs: [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 28_800, 86_400] },
          { ...axis, size: 46, space: 34, values: (_, at) => at.map(format) },
        ],
        scales: {
          x: { range: (_, low, high) => (span === undefined ? [low ?? 0, Math.max(high ?? 1, (low ?? 0) + 1)] : [(high ?? 0) - Math.min(span, Math.max(LEAST, (high ?? 0) - (low ?? 0))), high ?? 1]) },
          y: { range: (_, low, high) => [Math.min(0, low ?? 0), Math.max(high ?? 0, 1) * 1.05] },
        },
        series: [
          { label: '', value: (_, time) => (time == null ? '' : clock(new Date(time * 1000))) },
          ...names.split('\n').map((name, index, all) => ({
            label: name,
            stroke: resolved(seriesVar(index + colour)),
            // One line may have its ground shaded; several would hide each other.
            fill: all.length === 1 ? `${resolved(seriesVar(index + colour))}22` : undefined,
            width: 1.5,
            points: { show: false },
            // Where nobody points, the latest value stands.
            value: (self: UPlot, value: number | null) => {
              const shown = value ?? self.data[index + 1]?.at(-1)
              return shown == null ? '–' : format(shown)
            },
          })),
        ],
      },
      [[]],
      element,
    )
    plot.current = chart
    return () => {
      chart.destroy()
      plot.current = null
    }
    // `format` is the same function for the life of a chart.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [names, theme, width, height, span, colour, legend])

  useEffect(() => {
    plot.current?.setData([times, ...lines.map((line) => line.values)])
  }, [times, lines, theme, width, height, span, colour, legend])

  return <div ref={box} role="img" aria-label={label} className="uplot-box min-w-0" />
}
