import { Link } from 'react-router'
import { useDevices } from '@/shared/api/devices'
import { mebibytes, percent } from '@/shared/format/number'
import { texts, useTexts } from '@/shared/i18n/texts'
import { Empty, FailureFace, Loading } from '@/shared/ui/Face'
import { Meter } from '@/shared/ui/Meter'
import { Panel } from '@/shared/ui/Panel'
import { Tag } from '@/shared/ui/Status'

const all = texts(
  { title: 'Devices', memory: (used: string, total: string) => `${used} of ${total}`, load: 'load', offline: 'Offline', none: 'No device is watched (with Disable_GPU_monitoring there is none)', all: 'Memory map' },
  { title: '设备', memory: (used: string, total: string) => `${used} / ${total}`, load: '负载', offline: '离线', none: '没有受监控的设备（设置 Disable_GPU_monitoring 时如此）', all: '内存分布' },
)

export function DevicesGlance() {
  const t = useTexts(all)
  const { devices, error } = useDevices()
  return (
    <Panel title={t.title} actions={devices && <Link to="/devices" className="text-[0.93rem] text-accent hover:underline">{t.all}</Link>}>
      {!devices ? (
        error ? (
          <FailureFace error={error} compact />
        ) : (
          <Loading rows={2} />
        )
      ) : devices.length === 0 ? (
        <Empty title={t.none} compact />
      ) : (
        <ul className="grid gap-3">
          {devices.map((device) => (
            <li key={device.id} className="grid gap-1">
              <p className="flex flex-wrap items-baseline justify-between gap-x-3">
                <span className="min-w-0 truncate font-medium">{device.name}</span>
                {device.online ? (
                  <span className="text-[0.93rem] text-muted">
                    {t.memory(mebibytes(device.memory_used_mb), mebibytes(device.memory_total_mb))}
                    {device.utilization != null && ` · ${t.load} ${percent(device.utilization / 100)}`}
                    {device.temperature_c != null && ` · ${Math.round(device.temperature_c)} °C`}
                  </span>
                ) : (
                  <Tag kind="bad">{t.offline}</Tag>
                )}
              </p>
              {device.online && device.memory_total_mb !== null && device.memory_used_mb !== null && (
                <Meter share={device.memory_used_mb / Math.max(1, device.memory_total_mb)} label={device.name} />
              )}
            </li>
          ))}
        </ul>
      )}
    </Panel>
  )
}
