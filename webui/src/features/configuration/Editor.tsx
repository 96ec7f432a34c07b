import { useMemo, useRef, useState } from 'react'
import { type ConfigProblem, Failure } from '@/shared/api/client'
import { type ConfigFile, useSaveConfig } from '@/shared/config/file'
import { Problems } from '@/shared/config/Problems'
import { askToRestart } from '@/shared/config/restarting'
import { SaveDialog } from '@/shared/config/SaveDialog'
import { useChecked } from '@/shared/config/useChecked'
import { texts, useTexts } from '@/shared/i18n/texts'
import { Button } from '@/shared/ui/Button'
import { Panel } from '@/shared/ui/Panel'
import { Tag } from '@/shared/ui/Status'
import { toast } from '@/shared/ui/Toasts'
import { choicesAt, ended, helpAt } from './choose'
import { HelpPanel } from './HelpPanel'
import { placeOf } from './place'
import { schemaAt } from './schema'
import { type EditorHandle, TextEditor } from './TextEditor'
import { useSchema } from './useSchema'

const all = texts(
  {
    file: 'config.yaml', save: 'Save …', undo: 'Undo', valid: 'Valid', invalid: (n: number) => `${n} problem${n === 1 ? '' : 's'}`, checking: 'Checking', warnings: (n: number) => `${n} warning${n === 1 ? '' : 's'}`,
    readOnly: 'This file cannot be written by the manager.', saved: (backup: string) => `Saved. The file as it was: ${backup}`,
    changed: 'The file was changed by someone else since this page read it.', reload: 'Read it again', keep: 'Your text stays in the editor until you do.',
  },
  {
    file: 'config.yaml', save: '保存……', undo: '撤销', valid: '有效', invalid: (n: number) => `${n} 个问题`, checking: '检查中', warnings: (n: number) => `${n} 个警告`,
    readOnly: '管理器无法写入此文件。', saved: (backup: string) => `已保存。原文件：${backup}`,
    changed: '此页读取文件之后，文件已被他人修改。', reload: '重新读取', keep: '在此之前，你的内容会保留在编辑器中。',
  },
)

export function Editor({ file, onReload }: { file: ConfigFile; onReload: () => void }) {
  const t = useTexts(all)
  // What the draft began with: a newer file does not take its place while somebody writes.
  const [base, setBase] = useState(file)
  const [text, setText] = useState(file.text)
  const [cursor, setCursor] = useState(0)
  const [asking, setAsking] = useState(false)
  const [refused, setRefused] = useState<readonly ConfigProblem[]>([])
  const handle = useRef<EditorHandle>(null)
  const changed = text !== base.text
  const checked = useChecked(text, !changed, (error) => toast('bad', error.message))
  const stale = file.version !== base.version
  if (stale && !changed) {
    setBase(file)
    setText(file.text)
  }

  const save = useSaveConfig(
    (saved) => {
      setAsking(false)
      setBase({ ...base, text, version: saved.version })
      if (saved.error) toast('bad', saved.error)
      else toast('ok', t.saved(saved.backup))
      if (saved.restart_needed) askToRestart()
    },
    (error) => {
      setAsking(false)
      if (error instanceof Failure && error.problems.length > 0) setRefused(error.problems)
      if (error instanceof Failure && error.code === 'config_changed') onReload()
      toast('bad', error.message)
    },
  )

  const schema = useSchema()
  const place = useMemo(() => placeOf(text, cursor), [text, cursor])
  const line = text.slice(text.lastIndexOf('\n', cursor - 1) + 1, cursor)
  const root = schema.data
  const help = root ? helpAt(root, place) : null
  const { choices, replaces } = root ? choicesAt(root, place, line) : { choices: [], replaces: 0 }

  /** A key of the list goes into a line of its own, behind that of the cursor. */
  function add(key: string) {
    if (!root) return
    const lines = text.split('\n')
    const here = lines[place.line] ?? ''
    const depth = here.trim() === '' ? cursor - (text.lastIndexOf('\n', cursor - 1) + 1) : (/^ *(?:- +)?/.exec(here)?.[0].length ?? 0)
    const own = schemaAt(root, [...place.path, key])
    const end = lines.slice(0, place.line + 1).reduce((sum, one) => sum + one.length + 1, -1)
    const written = key + (own ? ended(own, depth) : ': ')
    if (here.trim() === '') handle.current?.write(written, cursor, cursor)
    else handle.current?.write(`\n${' '.repeat(depth)}${written}`, end, end)
  }

  const problems = checked?.problems ?? refused
  return (
    <Panel
      title={t.file}
      note={file.writable ? undefined : t.readOnly}
      actions={
        <>
          {changed && (
            <Tag kind={checked === null ? 'busy' : problems.length === 0 ? 'ok' : 'bad'}>
              {checked === null ? t.checking : problems.length === 0 ? t.valid : t.invalid(problems.length)}
            </Tag>
          )}
          {changed && checked !== null && checked.warnings.length > 0 && <Tag kind="warn">{t.warnings(checked.warnings.length)}</Tag>}
          <Button small disabled={!changed} onClick={() => setText(base.text)}>
            {t.undo}
          </Button>
          <Button small kind="primary" disabled={!changed || stale || !file.writable || checked?.problems.length !== 0 || save.isPending} onClick={() => setAsking(true)}>
            {t.save}
          </Button>
        </>
      }
    >
      <div className="grid grid-cols-1 gap-4">
        {stale && changed && (
          <p className="flex flex-wrap items-center gap-x-3 gap-y-2 rounded-md bg-warn-soft px-3 py-2">
            {t.changed} {t.keep}
            <Button small onClick={() => (setBase(file), setText(file.text))}>
              {t.reload}
            </Button>
          </p>
        )}
        <div className="grid grid-cols-1 gap-3 xl:grid-cols-[minmax(0,1fr)_21rem]">
          <TextEditor
            label={t.file}
            text={text}
            onChange={setText}
            onCursor={setCursor}
            readOnly={!file.writable}
            problems={problems}
            choices={choices}
            replaces={replaces}
            handle={handle}
          />
          <HelpPanel help={help} missing={schema.isError} onAdd={file.writable ? add : null} />
        </div>
        {problems.length > 0 && <Problems problems={problems} onLine={(line) => handle.current?.goTo(line)} />}
        {changed && checked !== null && checked.warnings.length > 0 && <Problems problems={checked.warnings} kind="warn" onLine={(line) => handle.current?.goTo(line)} />}
      </div>
      {asking && (
        <SaveDialog
          path={base.path}
          before={base.text}
          after={text}
          warnings={checked?.warnings ?? []}
          plan={checked?.plan}
          saving={save.isPending}
          onSave={() => save.mutate({ text, version: base.version })}
          onClose={() => setAsking(false)}
        />
      )}
    </Panel>
  )
}
