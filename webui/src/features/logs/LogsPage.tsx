import { useSearchParams } from 'react-router'
import { modelPath } from '@/shared/api/client'
import { texts, useTexts } from '@/shared/i18n/texts'
import { useLive } from '@/shared/live/store'
import { LogView } from '@/shared/log/LogView'
import { pageTexts } from '@/shared/pages'
import { Select } from '@/shared/ui/Field'
import { PageHead } from '@/shared/ui/Panel'

const all = texts({ source: 'Log of', manager: 'Manager' }, { source: '日志来源', manager: '管理器' })

/** The manager's own log has no model's name: an empty one. */
const MANAGER = ''

export default function LogsPage() {
  const t = useTexts(all)
  const names = useTexts(pageTexts)
  const models = useLive((live) => live.order)
  const [parameters, setParameters] = useSearchParams()
  const source = parameters.get('model') ?? MANAGER
  const known = source === MANAGER || models.includes(source) ? models : [source, ...models]
  return (
    <div className="flex h-[calc(100dvh-3rem)] flex-col max-lg:h-[calc(100dvh-5rem)]">
      <PageHead title={names.logs}>
        <Select
          label={t.source}
          value={source}
          onChange={(name) => setParameters(name === MANAGER ? {} : { model: name }, { replace: true })}
          options={[[MANAGER, t.manager], ...known.map((name) => [name, name] as const)]}
          className="max-w-72"
        />
      </PageHead>
      <LogView path={source === MANAGER ? '/api/logs' : modelPath(source, 'logs')} className="flex-1" />
    </div>
  )
}
