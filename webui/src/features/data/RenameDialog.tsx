/** Data of a model that has left the configuration go on under the name of one that is there. */
import { useState } from 'react'
import type { StorageModel } from '@/shared/api/types'
import { texts, useTexts } from '@/shared/i18n/texts'
import { useLive } from '@/shared/live/store'
import { Confirm } from '@/shared/ui/Dialog'
import { Field } from '@/shared/ui/Field'

const all = texts(
  {
    title: (name: string) => `Rename the data of ${name}`, text: 'Its requests, runs and costs are counted under the new name from now on, also those of the past.', to: 'New name',
    merge: (name: string) => `${name} has data of its own: both become one, for good.`, rename: 'Rename',
  },
  {
    title: (name: string) => `重命名 ${name} 的数据`, text: '它的请求、运行与费用（包括过去的）今后都计入新名称。', to: '新名称',
    merge: (name: string) => `${name} 已有数据：两者将永久合并。`, rename: '重命名',
  },
)

interface Props {
  model: StorageModel
  others: readonly StorageModel[]
  onClose: () => void
  onRename: (to: string, merge: boolean) => void
}

export function RenameDialog({ model, others, onClose, onRename }: Props) {
  const t = useTexts(all)
  const configured = useLive((live) => live.order)
  const [to, setTo] = useState('')
  const [merge, setMerge] = useState(false)
  const name = to.trim()
  const taken = others.some((one) => one.model === name && (one.rows > 0 || one.runs > 0))
  return (
    <Confirm open onOpenChange={(open) => !open && onClose()} title={t.title(model.model)} action={t.rename} disabled={!name || name === model.model || (taken && !merge)} onConfirm={() => onRename(name, taken && merge)}>
      <div className="grid grid-cols-1 gap-3">
        <p>{t.text}</p>
        <Field label={t.to}>{(props) => <input {...props} className="field" autoComplete="off" list="model-names" value={to} onChange={(event) => setTo(event.target.value)} />}</Field>
        <datalist id="model-names">
          {configured.map((one) => (
            <option key={one} value={one} />
          ))}
        </datalist>
        {taken && (
          <label className="flex items-center gap-2 text-text">
            <input type="checkbox" className="size-4 accent-(--accent)" checked={merge} onChange={(event) => setMerge(event.target.checked)} />
            {t.merge(name)}
          </label>
        )}
      </div>
    </Confirm>
  )
}
