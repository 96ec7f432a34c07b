import { useState } from 'react'
import type { StorageModel } from '@/shared/api/types'
import { count } from '@/shared/format/number'
import { useLanguage } from '@/shared/i18n/language'
import { texts, useTexts } from '@/shared/i18n/texts'
import { Confirm } from '@/shared/ui/Dialog'
import { Field } from '@/shared/ui/Field'

const all = texts(
  {
    title: (name: string) => `Delete all data of ${name}?`, remove: 'Delete', type: 'Type the name of the model to confirm',
    text: (rows: string, runs: string) => `${rows} requests and ${runs} runs are deleted, with their tokens and costs, for good. Reports of the past will no longer have them.`,
  },
  {
    title: (name: string) => `删除 ${name} 的全部数据？`, remove: '删除', type: '输入模型名称以确认',
    text: (rows: string, runs: string) => `将永久删除 ${rows} 个请求和 ${runs} 次运行，连同 token 与费用。过去的报表中也不再包含它们。`,
  },
)

export function DeleteDialog({ model, onClose, onDelete }: { model: StorageModel | null; onClose: () => void; onDelete: (name: string) => void }) {
  const t = useTexts(all)
  const language = useLanguage()
  const [typed, setTyped] = useState('')
  if (!model) return null
  return (
    <Confirm open onOpenChange={(open) => !open && onClose()} title={t.title(model.model)} action={t.remove} danger disabled={typed !== model.model} onConfirm={() => onDelete(model.model)}>
      <div className="grid grid-cols-1 gap-3">
        <p>{t.text(count(model.rows, language), count(model.runs, language))}</p>
        <Field label={`${t.type}: ${model.model}`}>
          {(props) => <input {...props} className="field" autoComplete="off" value={typed} onChange={(event) => setTyped(event.target.value)} />}
        </Field>
      </div>
    </Confirm>
  )
}
