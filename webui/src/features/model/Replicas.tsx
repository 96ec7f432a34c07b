/** The backends of a model that may have several: what each of them does, and which one's log is shown. */
import { count } from '@/shared/format/number'
import { useLanguage } from '@/shared/i18n/language'
import { texts, useTexts } from '@/shared/i18n/texts'
import type { LiveModel } from '@/shared/live/reducer'
import { whereItRuns } from '@/shared/model/place'
import { useReason } from '@/shared/model/reason/useReason'
import { Select } from '@/shared/ui/Field'
import { ScrollBox } from '@/shared/ui/ScrollBox'
import { StateTag } from '@/shared/ui/Status'

const all = texts(
  {
    replicas: 'Replicas', number: 'No.', state: 'State', variant: 'Variant', pid: 'Process', port: 'Port', running: 'In progress', none: 'None runs',
    log: 'Log of replica', of: (number: number) => `Replica ${number}`,
  },
  {
    replicas: '副本', number: '编号', state: '状态', variant: '变体', pid: '进程', port: '端口', running: '处理中', none: '没有在运行的副本',
    log: '显示哪个副本的日志', of: (number: number) => `副本 ${number}`,
  },
)

export function Replicas({ model }: { model: LiveModel }) {
  const t = useTexts(all)
  const language = useLanguage()
  const say = useReason()
  // A job and its successor are two for a while, and the second stays.
  if (model.max_replicas < 2 && model.replicas.every((one) => one.number < 2)) return null
  return (
    <section className="panel mt-4 p-4" aria-label={t.replicas}>
      <h2 className="mb-2 font-semibold">
        {t.replicas} <span className="font-normal text-muted">{`${count(model.replicas.length, language)} / ${count(model.max_replicas, language)}`}</span>
      </h2>
      {model.replicas.length === 0 ? (
        <p className="text-muted">{t.none}</p>
      ) : (
        <ScrollBox label={t.replicas}>
          <table className="w-full text-left">
            <thead className="text-[0.86rem] text-muted">
              <tr>
                {[t.number, t.state, t.variant, t.pid, t.port, t.running].map((head) => (
                  <th key={head} scope="col" className="pr-4 pb-1 font-normal">
                    {head}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {model.replicas.map((replica) => (
                <tr key={replica.number} data-replica={replica.number} data-state={replica.state} title={replica.last_error ? say(replica.last_error) : undefined}>
                  <td className="pr-4 py-1">{replica.number}</td>
                  <td className="pr-4 py-1">
                    <StateTag state={replica.state} />
                  </td>
                  <td className="pr-4 py-1 wrap-anywhere">{whereItRuns(replica) ?? '–'}</td>
                  <td className="pr-4 py-1">{replica.pid ?? '–'}</td>
                  <td className="pr-4 py-1">{replica.port ?? '–'}</td>
                  <td className="py-1">{count(replica.leases, language)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </ScrollBox>
      )}
    </section>
  )
}

/** Which replica's log is meant; nothing to choose with one. */
export function WhichLog({ most, shown, onChange }: { most: number; shown: number; onChange: (number: number) => void }) {
  const t = useTexts(all)
  if (most < 2) return null
  const numbers = Array.from({ length: most }, (_, at) => at + 1)
  return (
    <Select
      className="mb-2"
      label={t.log}
      value={String(shown)}
      options={numbers.map((number) => [String(number), t.of(number)] as const)}
      onChange={(number) => onChange(Number(number))}
    />
  )
}

/** The name under which a replica's log is found. */
export function logOf(name: string, number: number): string {
  return number > 1 ? `${name}#${number}` : name
}
