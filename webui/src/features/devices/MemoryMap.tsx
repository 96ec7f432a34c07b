import { Link } from 'react-router'
import type { DeviceView } from '@/shared/api/types'
import { fillClass } from '@/shared/chart/colours'
import { mebibytes, percent } from '@/shared/format/number'
import { texts, useTexts } from '@/shared/i18n/texts'
import { modelLink } from '@/shared/model/link'
import { type Segment, segments } from './segments'

const all = texts(
  { map: (device: string) => `Memory of ${device}`, reserved: 'reserved', strangers: 'Other programs', free: 'Free', who: 'Who', memory: 'Memory', share: 'Share', kept: (mb: string) => `${mb} are kept free for other programs.`, program: (pid: number) => `process ${pid}` },
  { map: (device: string) => `${device} 的内存`, reserved: '已预留', strangers: '其他程序', free: '空闲', who: '占用者', memory: '内存', share: '占比', kept: (mb: string) => `留出 ${mb} 给其他程序。`, program: (pid: number) => `进程 ${pid}` },
)

/** The bar, and the same as a table: which colour is whose, and how much it is. `models`: their order gives the colours. */
export function MemoryMap({ device, models }: { device: DeviceView; models: readonly string[] }) {
  const t = useTexts(all)
  const total = device.memory_total_mb ?? 0
  const parts = segments(device, models)
  return (
    <div className="grid gap-3">
      <svg role="img" aria-label={t.map(device.name)} viewBox="0 0 1000 28" preserveAspectRatio="none" className="block h-7 w-full rounded-md border border-line bg-sunken">
        {parts.map((part, index) => {
          const width = (part.mb / total) * 1000
          const x = (parts.slice(0, index).reduce((sum, before) => sum + before.mb, 0) / total) * 1000
          return (
            <g key={keyOf(part)}>
              <rect x={x} width={width} height="28" className={fillOf(part)} opacity={part.kind === 'reserved' ? 0.38 : 1} />
              {part.kind !== 'free' && <rect x={x + width - 1} width="1" height="28" className="fill-surface" />}
            </g>
          )
        })}
      </svg>
      <table className="w-full text-[0.93rem]">
        <thead className="sr-only">
          <tr>
            <th scope="col">{t.who}</th>
            <th scope="col">{t.memory}</th>
            <th scope="col">{t.share}</th>
          </tr>
        </thead>
        <tbody>
          {parts.map((part) => (
            <tr key={keyOf(part)}>
              <th scope="row" className="py-0.5 text-left font-normal">
                <span className="flex items-center gap-2">
                  <svg width="10" height="10" aria-hidden="true" className="shrink-0">
                    <rect width="10" height="10" rx="2" className={part.kind === 'free' ? 'fill-sunken stroke-line-strong' : fillOf(part)} opacity={part.kind === 'reserved' ? 0.38 : 1} />
                  </svg>
                  {'model' in part ? (
                    <Link to={modelLink(part.model)} className="hover:underline">
                      {part.model}
                    </Link>
                  ) : (
                    t[part.kind]
                  )}
                  {part.kind === 'reserved' && <span className="text-muted">{t.reserved}</span>}
                </span>
              </th>
              <td className="num py-0.5">{mebibytes(part.mb)}</td>
              <td className="num w-16 py-0.5 text-muted">{percent(part.mb / total)}</td>
            </tr>
          ))}
          {device.others.map((other) => (
            <tr key={other.pid} className="text-muted" data-program={other.program ?? other.pid}>
              <th scope="row" className="py-0.5 pl-9 text-left font-normal">
                {other.program ?? t.program(other.pid)}
              </th>
              <td className="num py-0.5">{mebibytes(other.used_mb)}</td>
              <td className="num w-16 py-0.5">{percent(other.used_mb === null ? null : other.used_mb / total)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {device.keep_free_mb > 0 && <p className="text-[0.93rem] text-muted">{t.kept(mebibytes(device.keep_free_mb))}</p>}
    </div>
  )
}

function keyOf(part: Segment): string {
  return 'model' in part ? `${part.kind} ${part.model}` : part.kind
}

function fillOf(part: Segment): string {
  if (part.kind === 'free') return 'fill-transparent'
  // Six colours for models; the grey one is that of strangers.
  return part.kind === 'strangers' ? 'fill-[var(--series-8)]' : fillClass(part.index % 7)
}
