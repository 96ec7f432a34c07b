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
  height?: number
}

export default function LineChart({ label, times, lines, format, height = 180 }: Props) {
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
        legend: { live: true },
        cursor: { drag: { x: false, y: false } },
        axes: [
          { ...axis, size: 28, space: 64, values: (_, at) => at.map((time) => timeLabel(time, (at.at(-1) ?? 0) - (at[0] ?? 0))) },
          { ...axis, size: 52, values: (_, at) => at.map(format) },
        ],
        scales: { y: { range: (_, low, high) => [Math.min(0, low ?? 0), Math.max(high ?? 0, 1) * 1.05] } },
        series: [
          { label: '', value: (_, time) => (time == null ? '' : clock(new Date(time * 1000))) },
          ...names.split('\n').map((name, index) => ({
            label: name,
            stroke: resolved(seriesVar(index)),
            width: 1.5,
            points: { show: false },
            value: (_: UPlot, value: number | null) => (value == null ? '–' : format(value)),
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
  }, [names, theme, width, height])

  useEffect(() => {
    plot.current?.setData([times, ...lines.map((line) => line.values)])
  }, [times, lines, theme, width, height])

  return <div ref={box} role="img" aria-label={label} className="uplot-box min-w-0" />
}
