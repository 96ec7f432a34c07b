import { useMemo } from 'react'
import { type Moment, useDeviceHistory, useDevices } from '@/shared/api/devices'
import type { DeviceView } from '@/shared/api/types'
import { LineChart } from '@/shared/chart/LineChart'
import { percent, short } from '@/shared/format/number'
import { texts, useTexts } from '@/shared/i18n/texts'
import { pageTexts } from '@/shared/pages'
import { Empty, FailureFace, Loading } from '@/shared/ui/Face'
import { PageHead, Panel } from '@/shared/ui/Panel'
import { Tag } from '@/shared/ui/Status'
import { ClusterNodes } from './ClusterNodes'
import { MemoryMap } from './MemoryMap'
import { NotNow } from './NotNow'

const HOUR = 3600

const all = texts(
  {
    online: 'Online', offline: 'Offline', plugin: 'Plugin', load: 'Load', temperature: 'Temperature', power: 'Power', none: 'No device is watched (with Disable_GPU_monitoring there is none)',
    noneHint: 'With Disable_GPU_monitoring devices are not looked at, and models start always.', noMemory: 'This device does not tell its memory.',
    gone: 'It will be used again as soon as it answers.', overTime: 'The last hour', loadPercent: 'Load, %', watts: 'Power, W', degrees: 'Temperature, °C', memoryGib: 'Memory used, GiB', soon: 'Fills while this page is open.',
    history: (what: string, device: string) => `${what} of ${device} over the last hour`,
  },
  {
    online: '在线', offline: '离线', plugin: '插件', load: '负载', temperature: '温度', power: '功率', none: '没有受监控的设备（设置 Disable_GPU_monitoring 时如此）',
    noneHint: '设置 Disable_GPU_monitoring 后不再查看设备，模型总是直接启动。', noMemory: '此设备不提供内存信息。',
    gone: '恢复响应后会自动重新使用。', overTime: '最近一小时', loadPercent: '负载，%', watts: '功率，W', degrees: '温度，°C', memoryGib: '已用内存，GiB', soon: '页面打开期间逐渐填充。',
    history: (what: string, device: string) => `${device} 最近一小时的${what}`,
  },
)

export default function DevicesPage() {
  const t = useTexts(all)
  const names = useTexts(pageTexts)
  const { devices, error, retry } = useDevices()
  const history = useDeviceHistory()
  // The same colour on every device.
  const models = useMemo(() => [...new Set((devices ?? []).flatMap((device) => device.holders.map((holder) => holder.model)))].sort(), [devices])
  return (
    <>
      <PageHead title={names.devices} />
      {!devices && (error ? <FailureFace error={error} retry={retry} /> : <Loading />)}
      {devices?.length === 0 && <Empty title={t.none}>{t.noneHint}</Empty>}
      <div className="grid gap-3 2xl:grid-cols-2">{devices?.map((device) => <DevicePanel key={device.id} device={device} models={models} history={history} />)}</div>
      <ClusterNodes />
    </>
  )
}

function DevicePanel({ device, models, history }: { device: DeviceView; models: readonly string[]; history: readonly Moment[] }) {
  const t = useTexts(all)
  const figures: [string, string][] = [
    [t.load, percent(device.utilization === null ? null : device.utilization / 100)],
    [t.temperature, device.temperature_c === null ? '–' : `${Math.round(device.temperature_c)} °C`],
    [t.power, device.power_w === null ? '–' : `${Math.round(device.power_w)} W`],
    [t.plugin, device.plugin],
  ]
  return (
    <Panel
      title={device.name}
      note={device.pci ?? undefined}
      actions={<Tag kind={device.online ? 'ok' : 'bad'}>{device.online ? t.online : t.offline}</Tag>}
    >
      {device.online ? (
        <div className="grid gap-4">
          <dl className="grid grid-cols-4 gap-3">
            {figures.map(([name, value]) => (
              <div key={name}>
                <dt className="text-[0.86rem] text-muted">{name}</dt>
                <dd className="font-medium">{value}</dd>
              </div>
            ))}
          </dl>
          {device.memory_total_mb ? <MemoryMap device={device} models={models} /> : <p className="text-muted">{t.noMemory}</p>}
          {device.plugin !== 'cpu' && <NotNow device={device} />}
          <History device={device} history={history} />
        </div>
      ) : (
        <p className="text-muted">{t.gone}</p>
      )}
    </Panel>
  )
}

/** One chart for each thing that is measured: their units do not share an axis. */
function History({ device, history }: { device: DeviceView; history: readonly Moment[] }) {
  const t = useTexts(all)
  const { times, charts } = useMemo(() => {
    const found = history.map((point) => point.devices.find((one) => one.id === device.id))
    const wanted = [
      { label: t.loadPercent, values: found.map((one) => one?.utilization ?? null) },
      { label: t.watts, values: found.map((one) => one?.power_w ?? null) },
      { label: t.degrees, values: found.map((one) => one?.temperature_c ?? null) },
      { label: t.memoryGib, values: found.map((one) => (one?.memory_used_mb == null ? null : one.memory_used_mb / 1024)) },
    ]
    return { times: history.map((point) => point.at / 1000), charts: wanted.filter((line) => line.values.some((value) => value !== null)) }
  }, [history, device.id, t])
  if (charts.length === 0) return null
  return (
    <div className="grid gap-1">
      <h3 className="text-[0.93rem] text-muted">{t.overTime}</h3>
      {times.length < 3 ? (
        <p className="text-[0.93rem] text-muted">{t.soon}</p>
      ) : (
        <div className="grid grid-cols-1 gap-x-6 gap-y-3 sm:grid-cols-2">
          {charts.map((line, index) => (
            <figure key={line.label} className="min-w-0">
              <figcaption className="text-[0.86rem] text-muted">{line.label}</figcaption>
              <LineChart label={t.history(line.label, device.name)} times={times} lines={[line]} format={short} span={HOUR} colour={index} height={110} legend={false} />
            </figure>
          ))}
        </div>
      )}
    </div>
  )
}
