/** The ways to launch a model, in the order of preference, and what would be chosen now. */
import { useQuery } from '@tanstack/react-query'
import { apiJson, modelPath } from '@/shared/api/client'
import { keys } from '@/shared/api/keys'
import type { ModelDetails, Placement, PlacementVariant, VariantView, Verdict } from '@/shared/api/types'
import { mebibytes } from '@/shared/format/number'
import { texts, useTexts } from '@/shared/i18n/texts'
import { useReason } from '@/shared/model/reason/useReason'
import { QueryFace } from '@/shared/ui/Face'
import { Facts, Panel } from '@/shared/ui/Panel'
import { type StatusKind, Tag } from '@/shared/ui/Status'

const all = texts(
  {
    devices: 'Devices', any: 'none wanted', memory: 'Declared memory', measured: 'Measured peak', unchecked: 'not declared, not checked', launch: 'Launch', place: 'Runs at', slurm: 'Slurm',
    running: 'running', placement: 'If it were started now', fits: 'fits', evict: 'fits after stopping others', wait: 'would wait', never: 'cannot run',
    victims: 'Would be stopped', blockers: 'Waits for', chosen: (variant: string) => `Why ${variant} runs`,
  },
  {
    devices: '设备', any: '无要求', memory: '声明的内存', measured: '实测峰值', unchecked: '未声明，不检查', launch: '启动命令', place: '运行于', slurm: 'Slurm',
    running: '运行中', placement: '如果现在启动', fits: '放得下', evict: '停止其他模型后放得下', wait: '需要等待', never: '无法运行',
    victims: '会被停止', blockers: '需要等待', chosen: (variant: string) => `为何运行 ${variant}`,
  },
)

const verdicts: Record<Verdict, StatusKind> = { fits: 'ok', evict: 'warn', wait: 'busy', never: 'bad' }

export function Variants({ model }: { model: ModelDetails }) {
  const t = useTexts(all)
  const say = useReason()
  const placement = useQuery({
    queryKey: keys.placement(model.name),
    queryFn: ({ signal }) => apiJson<Placement>(modelPath(model.name, 'placement'), { signal }),
  })
  return (
    <div className="grid gap-3">
      {model.chosen && model.variant && (
        <Panel title={t.chosen(model.variant)}>
          <p className="wrap-anywhere whitespace-pre-wrap text-muted">{say(model.chosen)}</p>
        </Panel>
      )}
      <Panel title={t.placement}>
        <QueryFace query={placement} rows={2} compact>
          {(now) => (
            <div className="grid gap-2">
              <p className="flex flex-wrap items-center gap-2">
                <Tag kind={verdicts[now.decision]}>{t[now.decision]}</Tag>
                {now.variant && <span className="font-medium">{now.variant}</span>}
              </p>
              <p className="wrap-anywhere whitespace-pre-wrap text-muted">{say(now.summary)}</p>
              {now.detail?.victims && now.detail.victims.length > 0 && (
                <p>
                  <span className="text-muted">{t.victims}: </span>
                  {now.detail.victims.join(', ')}
                </p>
              )}
              {now.detail?.blockers && now.detail.blockers.length > 0 && (
                <p>
                  <span className="text-muted">{t.blockers}: </span>
                  {now.detail.blockers.map(say).join(', ')}
                </p>
              )}
            </div>
          )}
        </QueryFace>
      </Panel>
      {model.variants.map((variant, index) => (
        <VariantPanel
          key={variant.name}
          number={index + 1}
          variant={variant}
          running={model.variant === variant.name && model.state !== 'stopped'}
          now={placement.data?.variants?.find((one) => one.variant === variant.name)}
        />
      ))}
    </div>
  )
}

interface VariantProps {
  number: number
  variant: VariantView
  running: boolean
  now: PlacementVariant | undefined
}

function VariantPanel({ number, variant, running, now }: VariantProps) {
  const t = useTexts(all)
  const say = useReason()
  const memory = Object.entries(variant.memory_mb)
  const measured = Object.entries(now?.measured_mb ?? {})
  const launch = variant.script_path ?? variant.command?.join(' ')
  const rows: [string, React.ReactNode][] = variant.place ? [[t.place, variant.place]] : [
    [t.devices, variant.required_devices.join(', ') || t.any],
    [t.memory, memory.length > 0 ? memory.map(([device, mb]) => `${device}: ${mebibytes(mb)}`).join(', ') : t.unchecked],
    [t.launch, <code key="launch" className="font-mono text-[0.93rem]">{launch}</code>],
  ]
  const reasons = [...(now?.missing ?? []), ...(now?.paused ?? []), ...(now?.lacks ?? [])]
  if (now?.cluster) rows.push([t.slurm, say(now.cluster)])
  if (measured.length > 0) rows.splice(2, 0, [t.measured, measured.map(([device, mb]) => `${device}: ${mebibytes(mb)}`).join(', ')])
  return (
    <Panel
      title={`${number}. ${variant.name}`}
      actions={
        <>
          {running && <Tag kind="ok">{t.running}</Tag>}
          {now && <Tag kind={verdicts[now.verdict]}>{t[now.verdict]}</Tag>}
        </>
      }
    >
      <Facts rows={rows} />
      {reasons.length > 0 && (
        <ul className="mt-3 grid gap-1 text-muted">
          {reasons.map((reason) => (
            <li key={reason} className="wrap-anywhere">
              {say(reason)}
            </li>
          ))}
        </ul>
      )}
    </Panel>
  )
}
