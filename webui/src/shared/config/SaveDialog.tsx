/** The last look before the file is written: what changes, what warns, and where the old text goes. */
import { texts, useTexts } from '@/shared/i18n/texts'
import type { Plan } from './file'
import type { ConfigProblem } from '@/shared/api/client'
import { AlertDialog } from 'radix-ui'
import { Button } from '@/shared/ui/Button'
import { Modal } from '@/shared/ui/Dialog'
import { Difference } from './Difference'
import { Problems } from './Problems'

const all = texts(
  {
    title: 'Save these changes?', cancel: 'Cancel', save: 'Save', backup: (name: string) => `The present file is kept beside it as ${name}, where TIME is that of the save.`,
    warnings: 'Good to know before', plan: 'What happens when it is saved', nothing: 'Nothing that runs is touched.', restart: (what: string) => `Only after a restart of the manager: ${what}.`,
  },
  { title: '保存这些改动？', cancel: '取消', save: '保存', backup: (name: string) => `当前文件会以 ${name} 备份在旁边，TIME 为保存时间。`, warnings: '保存前请注意', plan: '保存后会发生什么', nothing: '正在运行的一切都不受影响。', restart: (what: string) => `重启管理器后才生效：${what}。` },
)

interface Props {
  path: string
  before: string
  after: string
  warnings: readonly ConfigProblem[]
  plan?: Plan | null
  saving: boolean
  onSave: () => void
  onClose: () => void
}

export function SaveDialog({ path, before, after, warnings, plan, saving, onSave, onClose }: Props) {
  const t = useTexts(all)
  const name = path.split(/[/\\]/).at(-1) ?? path
  return (
    <Modal
      wide
      title={t.title}
      onClose={onClose}
      actions={
        <>
          <AlertDialog.Cancel asChild>
            <Button>{t.cancel}</Button>
          </AlertDialog.Cancel>
          <Button kind="primary" disabled={saving} onClick={onSave}>
            {t.save}
          </Button>
        </>
      }
    >
      <div className="grid grid-cols-1 gap-3">
        <Difference before={before} after={after} />
        {warnings.length > 0 && (
          <section className="grid gap-2 text-text">
            <h3 className="font-medium">{t.warnings}</h3>
            <Problems problems={warnings} kind="warn" />
          </section>
        )}
        {plan && (
          <section className="grid gap-2 text-text" data-plan="">
            <h3 className="font-medium">{t.plan}</h3>
            {plan.lines.length === 0 ? (
              <p>{t.nothing}</p>
            ) : (
              <ul className="grid list-disc gap-1 pl-5">
                {plan.lines.map((line) => (
                  <li key={line} className="wrap-anywhere">
                    {line}
                  </li>
                ))}
              </ul>
            )}
            {plan.needs_restart.length > 0 && <p className="text-warn">{t.restart(plan.needs_restart.join(', '))}</p>}
          </section>
        )}
        <p>{t.backup(`${name}.TIME.bak`)}</p>
      </div>
    </Modal>
  )
}
