import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { apiJson, Failure } from '@/shared/api/client'
import { keys } from '@/shared/api/keys'
import { texts, useTexts } from '@/shared/i18n/texts'
import { Button } from '@/shared/ui/Button'
import { Confirm } from '@/shared/ui/Dialog'
import { Panel } from '@/shared/ui/Panel'
import { Tag } from '@/shared/ui/Status'
import { toast } from '@/shared/ui/Toasts'
import { Difference } from './Difference'
import { Problems } from './Problems'
import { TextEditor } from './TextEditor'
import type { ConfigFile, ConfigProblem } from './types'

const CHECK_AFTER_MS = 500

const all = texts(
  {
    file: 'config.yaml', save: 'Save', undo: 'Undo', changes: 'Changes', valid: 'Valid', invalid: (n: number) => `${n} problem${n === 1 ? '' : 's'}`, checking: 'Checking',
    readOnly: 'This file cannot be written by the manager.', restart: 'Saved. The manager has to be restarted for it to take effect.', applied: 'Saved, and in effect.',
    title: 'Save these changes?', text: 'A backup of the present file is kept beside it.', changed: 'The file was changed by someone else since this page was opened. Copy your text, then reload.',
  },
  {
    file: 'config.yaml', save: '保存', undo: '撤销', changes: '改动', valid: '有效', invalid: (n: number) => `${n} 个问题`, checking: '检查中',
    readOnly: '管理器无法写入此文件。', restart: '已保存。重启管理器后生效。', applied: '已保存并生效。',
    title: '保存这些改动？', text: '当前文件会备份在旁边。', changed: '打开此页后文件已被他人修改。请复制你的内容，然后重新加载。',
  },
)

export function Editor({ file }: { file: ConfigFile }) {
  const t = useTexts(all)
  const client = useQueryClient()
  const [text, setText] = useState(file.text)
  const [problems, setProblems] = useState<ConfigProblem[] | null>([])
  const [asking, setAsking] = useState(false)
  const changed = text !== file.text

  useEffect(() => {
    if (text === file.text) {
      setProblems([])
      return
    }
    setProblems(null)
    const controller = new AbortController()
    const timer = setTimeout(() => {
      apiJson<{ problems: ConfigProblem[] }>('/api/config/check', { method: 'POST', body: { text }, signal: controller.signal })
        .then((answer) => setProblems(answer.problems))
        .catch((error: unknown) => {
          if (!controller.signal.aborted && error instanceof Error) toast('bad', error.message)
        })
    }, CHECK_AFTER_MS)
    return () => {
      clearTimeout(timer)
      controller.abort()
    }
  }, [text, file.text])

  const save = useMutation({
    mutationFn: () => apiJson<{ restart_needed: boolean }>('/api/config', { method: 'PUT', body: { text, version: file.version } }),
    onSuccess: (answer) => {
      toast('ok', answer.restart_needed ? t.restart : t.applied)
      return client.invalidateQueries({ queryKey: keys.config })
    },
    onError: (error) => toast('bad', error instanceof Failure && error.status === 409 ? t.changed : error.message),
  })

  return (
    <Panel
      title={t.file}
      note={file.writable ? undefined : t.readOnly}
      actions={
        <>
          {changed && (
            <Tag kind={problems === null ? 'busy' : problems.length === 0 ? 'ok' : 'bad'}>
              {problems === null ? t.checking : problems.length === 0 ? t.valid : t.invalid(problems.length)}
            </Tag>
          )}
          <Button small disabled={!changed} onClick={() => setText(file.text)}>
            {t.undo}
          </Button>
          <Button small kind="primary" disabled={!changed || !file.writable || problems?.length !== 0 || save.isPending} onClick={() => setAsking(true)}>
            {t.save}
          </Button>
        </>
      }
    >
      <div className="grid gap-4">
        <TextEditor label={t.file} text={text} onChange={setText} readOnly={!file.writable} marks={(problems ?? []).flatMap((problem) => problem.line ?? [])} />
        {problems && problems.length > 0 && <Problems problems={problems} />}
      </div>
      <Confirm open={asking} onOpenChange={setAsking} title={t.title} action={t.save} onConfirm={() => save.mutate()}>
        <div className="grid gap-3">
          <p>{t.text}</p>
          <Difference before={file.text} after={text} />
        </div>
      </Confirm>
    </Panel>
  )
}
