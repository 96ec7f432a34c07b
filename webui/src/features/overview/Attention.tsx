/** What a person should look at first: models that failed, and why. */
import { Link } from 'react-router'
import { texts, useTexts } from '@/shared/i18n/texts'
import type { LiveModel } from '@/shared/live/reducer'
import { useLive } from '@/shared/live/store'
import { modelLink } from '@/shared/model/link'
import { Orders } from '@/shared/model/Orders'
import { StateNote } from '@/shared/model/StateNote'
import { useReason } from '@/shared/model/reason/useReason'
import { Panel } from '@/shared/ui/Panel'
import { StatusMark } from '@/shared/ui/Status'
import { troubleOf } from './trouble'

const SHOWN = 6

const all = texts(
  { title: 'Needs attention', more: (n: number) => `and ${n} more`, says: 'Its last words', log: 'Log' },
  { title: '需要关注', more: (n: number) => `另有 ${n} 个`, says: '最后的输出', log: '日志' },
)

export function Attention() {
  const t = useTexts(all)
  const models = useLive((live) => live.models)
  const failed = Object.values(models).filter((model) => model.state === 'failed')
  if (failed.length === 0) return null
  return (
    <Panel title={t.title} flush>
      <ul>
        {failed.slice(0, SHOWN).map((model) => (
          <li key={model.name} className="flex flex-wrap items-center gap-x-3 gap-y-1.5 border-b border-line px-4 py-2.5 last:border-0">
            <StatusMark kind="bad" />
            <div className="min-w-0 flex-1 basis-64">
              <p>
                <Link to={modelLink(model.name)} className="font-medium hover:underline">
                  {model.name}
                </Link>
                <span className="ml-2 text-[0.93rem] text-muted">
                  <StateNote model={model} />
                </span>
              </p>
              <Trouble model={model} />
            </div>
            <Orders model={model} small />
          </li>
        ))}
      </ul>
      {failed.length > SHOWN && (
        <p className="px-4 py-2">
          <Link to="/models" className="text-accent hover:underline">
            {t.more(failed.length - SHOWN)}
          </Link>
        </p>
      )}
    </Panel>
  )
}

/** What the manager says went wrong, and the line of the backend that most likely says why. */
function Trouble({ model }: { model: LiveModel }) {
  const t = useTexts(all)
  const say = useReason()
  const { what, why } = troubleOf(model.last_error)
  return (
    <>
      <p className="text-[0.93rem] wrap-anywhere text-bad">{say(what)}</p>
      {why && (
        <p className="mt-0.5 flex items-baseline gap-2 text-[0.93rem]">
          <code aria-label={t.says} className="line-clamp-2 min-w-0 rounded bg-sunken px-1.5 font-mono text-[0.86rem] wrap-anywhere">
            {why}
          </code>
          <Link to={modelLink(model.name)} className="shrink-0 text-accent hover:underline">
            {t.log}
          </Link>
        </p>
      )}
    </>
  )
}
