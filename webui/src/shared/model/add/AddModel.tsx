/** A form that puts a model into the configuration: what it will write is seen, checked and compared before. */
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Failure } from '@/shared/api/client'
import { type ConfigFile, configFile, useSaveConfig } from '@/shared/config/file'
import { Problems } from '@/shared/config/Problems'
import { askToRestart } from '@/shared/config/restarting'
import { SaveDialog } from '@/shared/config/SaveDialog'
import { useChecked } from '@/shared/config/useChecked'
import { texts, useTexts } from '@/shared/i18n/texts'
import { Button } from '@/shared/ui/Button'
import { Snippet } from '@/shared/ui/Copy'
import { Loading } from '@/shared/ui/Face'
import { Tag } from '@/shared/ui/Status'
import { toast } from '@/shared/ui/Toasts'
import { awaitModel } from './arrival'
import { EMPTY, type Draft, entryOf, missing } from './draft'
import { DraftFields } from './DraftFields'
import { entryLines, withModel } from './entry'

const all = texts(
  {
    preview: 'What is written into config.yaml', add: 'Add to config.yaml …', checking: 'Checking', valid: 'Valid', wrong: (n: number) => `${n} problem${n === 1 ? '' : 's'}`, source: 'First say where the model is.', name: 'Give it a name.',
    flow: 'Local-Models is written in a way that this form does not change. Copy the lines into the file by hand.', saved: (backup: string) => `Saved. The file as it was: ${backup}`,
    readOnly: 'The manager cannot write its configuration here. Copy these lines into the file, and restart it.', changed: 'The file was changed meanwhile; it was read again. Try once more.',
  },
  {
    preview: '将写入 config.yaml 的内容', add: '加入 config.yaml……', checking: '检查中', valid: '有效', wrong: (n: number) => `${n} 个问题`, source: '请先填写模型在哪里。', name: '请填写名称。',
    flow: 'Local-Models 的写法无法由此表单修改，请手动把这些行复制到文件中。', saved: (backup: string) => `已保存。原文件：${backup}`,
    readOnly: '管理器无法在此写入配置。请把这些行复制到文件中并重启。', changed: '文件刚被他人修改，已重新读取，请再试一次。',
  },
)

export function AddModel() {
  const config = useQuery(configFile)
  if (config.data) return <Form file={config.data} onStale={() => void config.refetch()} />
  if (config.isPending) return <Loading rows={4} />
  // A manager that does not show its configuration to this visitor: the lines can still be made here.
  return <Form file={null} onStale={() => undefined} />
}

function Form({ file, onStale }: { file: ConfigFile | null; onStale: () => void }) {
  const t = useTexts(all)
  const [draft, setDraft] = useState<Draft>(EMPTY)
  const [asking, setAsking] = useState(false)
  const entry = entryOf(draft)
  const lacks = missing(draft)
  const text = file && withModel(file.text, entry)
  const ready = lacks === null && file !== null && text !== null
  const checked = useChecked(text ?? '', !ready, (error) => toast('bad', error.message))
  const save = useSaveConfig(
    (saved) => {
      setAsking(false)
      if (saved.error) toast('bad', saved.error)
      else toast('ok', t.saved(saved.backup))
      awaitModel(entry.name)
      setDraft(EMPTY)
      if (saved.restart_needed) askToRestart()
    },
    (error) => {
      setAsking(false)
      if (error instanceof Failure && error.code === 'config_changed') onStale()
      toast('bad', error instanceof Failure && error.code === 'config_changed' ? t.changed : error.message)
    },
  )
  const problems = ready ? (checked?.problems ?? null) : []

  return (
    <div className="grid grid-cols-1 gap-x-8 gap-y-5 lg:grid-cols-[minmax(0,1fr)_minmax(0,1fr)]">
      <DraftFields draft={draft} onChange={setDraft} />
      <section className="grid grid-cols-1 content-start gap-3" aria-label={t.preview}>
        <Snippet title={t.preview} text={`Local-Models:\n${entryLines(entry).join('\n')}\n`} label={t.preview} />
        {file === null || !file.writable ? <p className="text-warn">{t.readOnly}</p> : text === null && <p className="text-warn">{t.flow}</p>}
        {problems !== null && problems.length > 0 && <Problems problems={problems} />}
        {ready && checked && checked.warnings.length > 0 && <Problems problems={checked.warnings} kind="warn" />}
        {file?.writable && (
          <div className="flex flex-wrap items-center gap-3">
            <Button kind="primary" disabled={!ready || checked === null || checked.problems.length > 0} onClick={() => setAsking(true)}>
              {t.add}
            </Button>
            {lacks !== null ? (
              <span className="text-muted">{t[lacks]}</span>
            ) : (
              ready && (
                <Tag kind={checked === null ? 'busy' : checked.problems.length === 0 ? 'ok' : 'bad'}>
                  {checked === null ? t.checking : checked.problems.length === 0 ? t.valid : t.wrong(checked.problems.length)}
                </Tag>
              )
            )}
          </div>
        )}
      </section>
      {asking && file && text !== null && (
        <SaveDialog
          path={file.path}
          before={file.text}
          after={text}
          warnings={checked?.warnings ?? []}
          plan={checked?.plan}
          saving={save.isPending}
          onSave={() => save.mutate({ text, version: file.version })}
          onClose={() => setAsking(false)}
        />
      )}
    </div>
  )
}
