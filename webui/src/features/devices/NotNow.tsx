import { useState } from 'react'
import { usePauseDevice } from '@/shared/api/devices'
import type { DeviceView } from '@/shared/api/types'
import { moment } from '@/shared/format/time'
import { texts, useTexts } from '@/shared/i18n/texts'
import { useNow } from '@/shared/live/clock'
import { Button } from '@/shared/ui/Button'
import { Select } from '@/shared/ui/Field'

const LENGTHS = ['30', '60', '120', '240', '480', '1440'] as const
type Minutes = (typeof LENGTHS)[number]

const all = texts(
  {
    notNow: 'Not now', of: (device: string) => `Not now: ${device}`, length: (device: string) => `For how long: ${device}`, again: 'Use again', useAgain: (device: string) => `Use again: ${device}`,
    paused: (until: string) => `No model may use it before ${until}.`, hint: 'Keeps all models off this device for that time: idle ones stop at once, busy ones after their responses.', minutes: (count: number) => `${count} min`, hours: (count: number) => `${count} h`,
  },
  {
    notNow: '暂不使用', of: (device: string) => `暂不使用：${device}`, length: (device: string) => `多长时间：${device}`, again: '恢复使用', useAgain: (device: string) => `恢复使用：${device}`,
    paused: (until: string) => `${until} 之前不让任何模型使用。`, hint: '在这段时间内不让任何模型使用此设备：空闲的立即停止，忙碌的在响应结束后停止。', minutes: (count: number) => `${count} 分钟`, hours: (count: number) => `${count} 小时`,
  },
)

/** Keeps models off a device for a while, and lets them back. */
export function NotNow({ device }: { device: DeviceView }) {
  const t = useTexts(all)
  const [length, setLength] = useState<Minutes>('120')
  const pause = usePauseDevice()
  const now = useNow()
  if (device.paused_until) {
    return (
      <div className="flex flex-wrap items-center gap-2" data-paused={device.name}>
        <p>{t.paused(moment(new Date(device.paused_until), new Date(now)))}</p>
        <Button small aria-label={t.useAgain(device.name)} disabled={pause.isPending} onClick={() => pause.mutate({ id: device.id, minutes: null })}>
          {t.again}
        </Button>
      </div>
    )
  }
  const named = (minutes: Minutes): readonly [Minutes, string] => [minutes, Number(minutes) < 60 ? t.minutes(Number(minutes)) : t.hours(Number(minutes) / 60)]
  return (
    <div className="flex flex-wrap items-center gap-2">
      <Select label={t.length(device.name)} value={length} options={LENGTHS.map(named)} onChange={setLength} />
      <Button small aria-label={t.of(device.name)} disabled={pause.isPending} onClick={() => pause.mutate({ id: device.id, minutes: Number(length) })}>
        {t.notNow}
      </Button>
      <span className="text-[0.9rem] text-muted">{t.hint}</span>
    </div>
  )
}
