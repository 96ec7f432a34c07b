/** The last look before the file is written: what changes, what warns, and where the old text goes. */
import { texts, useTexts } from '@/shared/i18n/texts'
import type { ConfigProblem } from '@/shared/api/client'
import { AlertDialog } from 'radix-ui'
import { Button } from '@/shared/ui/Button'
import { Modal } from '@/shared/ui/Dialog'
import { Difference } from './Difference'
import { Problems } from './Problems'

const all = texts(
  {
    title: 'Save these changes?', cancel: 'Cancel', save: 'Save', backup: (name: string) => `The present file is kept beside it as ${name}, where TIME is that of the save.`,
    warnings: 'Good to know before',
  },
  { title: '保存这些改动？', cancel: '取消', save: '保存', backup: (name: string) => `当前文件会以 ${name} 备份在旁边，TIME 为保存时间。`, warnings: '保存前请注意' },
)

interface Props {
  path: string
  before: string
  after: string
  warnings: readonly ConfigProblem[]
  saving: boolean
  onSave: () => void
  onClose: () => void
}

export function SaveDialog({ path, before, after, warnings, saving, onSave, onClose }: Props) {
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
        <p>{t.backup(`${name}.TIME.bak`)}</p>
      </div>
    </Modal>
  )
}
